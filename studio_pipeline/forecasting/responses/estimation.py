"""Estimation of the lever responses on the months of a panel.

Each flow is regressed on its regressors by generalised least squares (`gls`) with an effect for each studio
and for each type's calendar month. Prior and months together give the posterior of all slopes of a flow
(`priors`): no slope is tested for significance, and one that the months say little about stays near its
prior. The thresholds of crowding and overwork are those with the largest marginal likelihood; what the others
would have given is part of the posterior's variance. `partial_pooling` adds the studios' own slopes.
Sources: Cameron & Miller (2015), Journal of Human Resources 50(2), on standard errors clustered by studio;
Hoeting et al. (1999), Statistical Science 14(4), on averaging over models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from studio_pipeline.forecasting.base.flows import FlowSeries, previous_month
from studio_pipeline.forecasting.base.hyperparameters import ResponseHyperparameters, ResponsePrior
from studio_pipeline.forecasting.base.origins import evenly_spaced_studios
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.candidates import CONTROLS, Candidate, candidates_of
from studio_pipeline.forecasting.responses.gls import (
    ErrorComponents,
    Information,
    PanelRows,
    Regression,
    Slopes,
    error_components,
    information,
    without_effects,
)
from studio_pipeline.forecasting.responses.partial_pooling import own_responses
from studio_pipeline.forecasting.responses.priors import Posterior, posterior, prior_effect, truncated
from studio_pipeline.forecasting.responses.regressors import (
    REGRESSORS_OF,
    RESPONDING,
    Comfort,
    classes_per_member,
    known_log,
    starting_members,
)
from studio_pipeline.forecasting.responses.responses import OwnResponses, Responses
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

_SEARCH_ROUNDS = 2
_CLEAR_EVIDENCE = 2.0
"""Least difference of log marginal likelihoods, positive evidence by Kass & Raftery (1995), JASA 90(430)."""
_FEWEST_ROWS = 60
_FEWEST_OF_TYPE = 5
_CUT_SURPRISE = 3.5
_MONTHS_AFTER_CUT = 2
_ROUNDS = 2


@dataclass(frozen=True)
class Markets:
    """Studios and months of a panel: a month's studios of one type share a market."""

    types: IntArray  # (S,) type of each studio
    calendar_months: IntArray  # (T,) 0..11
    months: slice  # months that are used
    sampled: IntArray  # rows of the studios that the panel's slopes are estimated on


@dataclass(frozen=True)
class ResponseFit:
    """One flow's regression with its posterior."""

    regression: Regression
    chosen: Mapping[str, Candidate]  # regressor or control to the candidate that is used
    posterior: Posterior
    spread: FloatArray  # variance of each mean over the other thresholds

    @classmethod
    def of(
        cls,
        outcome: FlowSeries,
        candidates: list[Candidate],
        markets: Markets,
        priors: Callable[[str], ResponsePrior | None],
    ) -> ResponseFit | None:
        """Fit one flow; None if too few months have both the flow and its regressors. `priors`: regressor to
        its prior; None for a control.
        """
        months, sampled = markets.months, markets.sampled
        seen = np.isfinite(outcome.values[:, months])
        shown = [
            c for c in candidates if (seen & np.isfinite(c.values[:, months])).sum() > 0.5 * seen.sum() > 0
        ]
        if all(c.name in CONTROLS for c in shown):
            return None
        known = seen & np.isfinite([c.values[:, months] for c in shown]).all(0)
        if known[sampled].sum() < _FEWEST_ROWS:
            return None
        rows = PanelRows(
            outcome.values[:, months],
            np.stack([c.values[:, months] for c in shown]),
            known,
            _counting(outcome.counting_variance[:, months], known),
            _groups(markets.types, sampled),
            markets.calendar_months[months],
        )
        sample = rows.select(sampled)
        components, kept = _weighed(sample, _first_of_each(shown))
        info = information(replace(sample, known=kept), components)
        columns, spread = _thresholds(info, shown, priors)
        chosen = {shown[column].name: shown[column] for column in columns}
        gram, score, slopes = info.likelihood(columns)
        found = posterior(gram, score, [priors(name) for name in chosen])
        return cls(Regression(rows, components, info, tuple(chosen), columns, slopes), chosen, found, spread)

    def effects(self) -> dict[str, LeverEffect]:
        """Regressor to the panel's effect."""
        found = {}
        for place, name in enumerate(self.chosen):
            if name not in CONTROLS:
                variance = float(self.posterior.covariance[place, place])
                mean, deviation = truncated(name, float(self.posterior.mean[place]), variance**0.5)
                found[name] = LeverEffect(
                    mean,
                    math.hypot(deviation, float(self.spread[place]) ** 0.5),
                    others_share=1 - float(self.posterior.prior_shares[place]),
                    estimate=self._estimate(place),
                )
        return found

    def _estimate(self, place: int) -> float | None:
        return float(self.regression.slopes.slope[place]) if self.regression.has_moved(place) else None

    def comfort(self) -> Comfort:
        """Thresholds of the chosen burdens; the defaults for those that are not in the data."""
        usual, crowded, worked = Comfort(), self.chosen.get("crowding"), self.chosen.get("overwork")
        return Comfort(
            usual.attendance_rate if crowded is None else crowded.threshold,
            usual.utilization if worked is None else worked.threshold,
            usual.same_month if crowded is None else crowded.same_month,
        )


def _thresholds(
    info: Information, candidates: list[Candidate], priors: Callable[[str], ResponsePrior | None]
) -> tuple[list[int], FloatArray]:
    """Column of each regressor, and (K,) variance of its posterior mean over its other thresholds.

    Of several candidates the first, which has the default threshold, is chosen unless the one with the
    largest marginal likelihood, given the others', is clearly more likely.
    """
    options: dict[str, list[int]] = {}
    for column, candidate in enumerate(candidates):
        options.setdefault(candidate.name, []).append(column)
    names = list(options)
    columns = {name: found[0] for name, found in options.items()}
    scale = info.slopes(list(columns.values())).scale
    known = [priors(name) for name in names]

    def with_option(name: str, option: int) -> Posterior:
        chosen = [option if other == name else columns[other] for other in names]
        gram = info.gram[:, chosen][:, :, chosen].sum(0) / scale
        return posterior(gram, info.score[:, chosen].sum(0) / scale, known)

    several = [name for name in names if len(options[name]) > 1]
    for _ in range(_SEARCH_ROUNDS):
        for name in several:
            evidence = [with_option(name, option).log_evidence for option in options[name]]
            best = int(np.argmax(evidence))
            is_clear = evidence[best] > evidence[0] + _CLEAR_EVIDENCE
            columns[name] = options[name][best if is_clear else 0]
    spread = np.zeros(len(names))
    for name in several:
        place = names.index(name)
        results = [with_option(name, option) for option in options[name]]
        found = np.array([result.log_evidence for result in results])
        likely = np.exp(found - found.max())
        means = np.array([result.mean[place] for result in results])
        departures = means - means[options[name].index(columns[name])]
        spread[place] = (likely * departures**2).sum() / likely.sum()
    return list(columns.values()), spread


def _first_of_each(candidates: list[Candidate]) -> list[int]:
    names = [c.name for c in candidates]
    return [k for k, name in enumerate(names) if names.index(name) == k]


def _weighed(rows: PanelRows, first: list[int]) -> tuple[ErrorComponents, BoolArray]:
    """Error components, and (S, T) the months left after outliers and the `_MONTHS_AFTER_CUT` months after
    each of them are removed.
    """
    few = replace(rows, regressors=rows.regressors[first])
    every, known = list(range(len(first))), rows.known
    left = without_effects(few)
    gram = np.einsum("kst,lst->kl", left[:-1], left[:-1])
    slope = np.linalg.pinv(gram, hermitian=True) @ np.einsum("kst,st->k", left[:-1], left[-1])
    for _ in range(_ROUNDS):
        part = replace(few, known=known)
        left = without_effects(part)
        components = error_components(part, left[-1] - np.einsum("k,kst->st", slope, left[:-1]))
        info = information(part, components)
        result: Slopes = info.slopes(every)
        slope = result.slope
        far = np.abs(info.surprises(every, slope)) > _CUT_SURPRISE * np.sqrt(result.scale)
        cut = far & known
        for month in range(1, _MONTHS_AFTER_CUT + 1):
            cut[:, month:] |= (far & known)[:, :-month]
        known = known & ~cut
    return components, known


def _counting(variance: FloatArray, known: BoolArray) -> FloatArray:
    """(S,) harmonic mean of the counting variance over a studio's months.

    A month's own variance depends on its random count, so months with lucky counts would get too much weight.
    """
    inverse = np.where(known & (variance > 0), 1 / np.where(variance > 0, variance, 1.0), 0.0)
    counted = inverse > 0
    return np.where(counted.any(1), counted.sum(1) / np.maximum(inverse.sum(1), 1e-12), 0.0)


def _groups(types: IntArray, sampled: IntArray) -> IntArray:
    """(S,) group of each studio: its type, types with few studios merged into one group."""
    counts = np.bincount(types[sampled], minlength=int(types.max()) + 1)
    numbers = np.where(counts >= _FEWEST_OF_TYPE, np.cumsum(counts >= _FEWEST_OF_TYPE), 0)
    return np.asarray(np.unique(numbers[types], return_inverse=True)[1].reshape(-1), dtype=np.int64)


_LATEST_MONTHS = 120
_COLUMN_OF = {
    "price": "avg_ticket_price",
    "classes": "total_classes_held",
    "fullness": "class_attendance_rate",
    "crowding": "class_attendance_rate",
    "overwork": "staff_utilization_rate",
}
"""Regressor to the panel's column that it is computed from."""


def estimate_responses(
    panel: StudioPanel,
    series: Mapping[str, FlowSeries],
    types: IntArray,
    priors: ResponseHyperparameters,
    most_studios: int = 400,
) -> Responses:
    """Estimate all lever responses on the months of a panel, its slopes on the latest ten years of at most
    `most_studios`. `types`: (S,) type of each studio.
    """
    has_flows = all(np.isfinite(series[flow].values).any() for flow in RESPONDING)
    months = slice(max(panel.n_months - _LATEST_MONTHS, 0), None)
    sampled = evenly_spaced_studios(panel, most_studios, np.asarray(panel.known.any(1)))
    markets = Markets(types, panel.calendar_months, months, sampled)
    effects: dict[str, dict[str, LeverEffect]] = {}
    own: dict[str, dict[str, OwnResponses]] = {}
    comfort: Comfort | None = None
    for flow, regressors in REGRESSORS_OF.items():
        carried = [n for n in regressors if np.isfinite(panel.values[_COLUMN_OF[n]]).any()]
        outcome = _outcome(flow, series, panel)
        if flow not in RESPONDING and not np.isfinite(outcome.values).any():
            continue
        effects[flow] = {name: prior_effect(priors, flow, name) for name in carried}
        if flow in RESPONDING and not has_flows:
            effects[flow] = {name: effect.taken_as_none() for name, effect in effects[flow].items()}
            continue
        candidates = candidates_of(flow, panel, comfort)
        fitted = ResponseFit.of(outcome, candidates, markets, partial(priors.prior, flow))
        if fitted is None:
            continue
        if flow == "retention":
            comfort = fitted.comfort()
        effects[flow] |= fitted.effects()
        own[flow] = own_responses(fitted.regression, effects[flow], panel.studio_ids)
    density = classes_per_member(panel.values["total_classes_held"], starting_members(panel))
    known = density[np.isfinite(density)]
    typical = float(np.median(known)) if known.size else 0.0
    growth = price_growth(panel, months)
    return Responses(effects, comfort or Comfort(), {f: o for f, o in own.items() if o}, typical, growth)


_USUAL_PRICE_GROWTH, _GROWTH_DEVIATION, _GROWTH_SPREAD = 0.0025, 0.002, 0.003
"""Prior of the monthly growth of a market's prices, 3 % a year give or take 2.4 %, and the smallest deviation
of a studio's own growth from its market's."""
_FEWEST_GROWTH_MONTHS = 12


def price_growth(panel: StudioPanel, months: slice) -> float:
    """Monthly growth of the market's price level: the studios' median growth, combined with a prior."""
    prices = panel.values["avg_ticket_price"][:, months]
    known = np.isfinite(prices) & (prices > 0)
    some = known.any(1)
    first = known[some].argmax(1)
    last = prices.shape[1] - 1 - known[some][:, ::-1].argmax(1)
    rows, span = np.nonzero(some)[0], last - first
    long = span >= _FEWEST_GROWTH_MONTHS
    if not long.any():
        return _USUAL_PRICE_GROWTH
    growth = np.log(prices[rows, last] / prices[rows, first])[long] / span[long]
    precision = long.sum() / max(float(growth.var()), _GROWTH_SPREAD**2)
    total = precision + _GROWTH_DEVIATION**-2
    return float((precision * np.median(growth) + _USUAL_PRICE_GROWTH * _GROWTH_DEVIATION**-2) / total)


def _outcome(flow: str, series: Mapping[str, FlowSeries], panel: StudioPanel) -> FlowSeries:
    """The dependent variable of a flow's regression."""
    if flow == "visits":
        return _per_starting_member(series[flow], panel)
    if flow == "utilization":
        rate = known_log(panel.values["staff_utilization_rate"])
        return FlowSeries(rate, np.zeros_like(rate))
    return series[flow]


def _per_starting_member(visits: FlowSeries, panel: StudioPanel) -> FlowSeries:
    """Visits per member of the month before, because members at the month's end partly result from visits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log(panel.values["total_members"]) - np.log(previous_month(panel.values["total_members"]))
    return FlowSeries(np.where(np.isfinite(grown), visits.values + grown, np.nan), visits.counting_variance)
