"""Estimation of the lever responses on the months of a panel.

Each flow is regressed on its regressors by generalised least squares (`gls`) with an effect for each studio
and for each type's calendar month. `selection` chooses the thresholds of crowding and overwork by fit and
tests each slope. The response to the price is the posterior of its estimate under a prior of plausible sign
and size, or that prior where the months allow no estimate. Any other response is used only if it is
significant at a level corrected for the number of tests and has the economically plausible sign; otherwise it
is 0 with source "prior". `partial_pooling` adds the studios' own slopes.
Sources: Davies (1987), Biometrika 74(1), on thresholds that are chosen by the data; Cameron & Miller (2015),
Journal of Human Resources 50(2), on standard errors clustered by studio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.base.flows import FlowSeries, previous_month
from studio_pipeline.forecasting.base.origins import evenly_spaced_studios
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.gls import (
    ErrorComponents,
    Information,
    PanelRows,
    Slopes,
    error_components,
    information,
    without_effects,
)
from studio_pipeline.forecasting.responses.partial_pooling import own_responses
from studio_pipeline.forecasting.responses.regressors import (
    INFORMED,
    REGRESSORS_OF,
    RESPONDING,
    Comfort,
    ResponsePriors,
    classes_per_member,
    starting_members,
)
from studio_pipeline.forecasting.responses.responses import OwnResponses, Responses
from studio_pipeline.forecasting.responses.selection import (
    BURDENS,
    CONTROLS,
    Candidate,
    Found,
    Selection,
    candidates_of,
    chosen_comfort,
    select,
)
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

_FEWEST_ROWS = 60
_FEWEST_OF_TYPE = 5
_CUT_SURPRISE = 3.5
_MONTHS_AFTER_CUT = 2
_ROUNDS = 2


@dataclass(frozen=True)
class ResponseFit:
    """One flow's regression.

    Attributes:
        rows: the studio-months of all studios, all candidates.
        sampled: (M,) rows of the studios that the panel's slopes are estimated on.
        components: error components.
        info: information of the sampled studios.
        selection: the regressors that are used.
    """

    rows: PanelRows
    sampled: IntArray
    components: ErrorComponents
    info: Information
    selection: Selection

    @classmethod
    def of(
        cls,
        flow: FlowSeries,
        candidates: list[Candidate],
        types: IntArray,
        calendar_months: IntArray,
        months: slice,
        sampled: IntArray,
    ) -> ResponseFit | None:
        """Fit one flow; None if too few months have both the flow and its regressors."""
        seen = np.isfinite(flow.values[:, months])
        shown = [
            c for c in candidates if (seen & np.isfinite(c.values[:, months])).sum() > 0.5 * seen.sum() > 0
        ]
        if all(c.name in CONTROLS for c in shown):
            return None
        known = seen & np.isfinite([c.values[:, months] for c in shown]).all(0)
        if known[sampled].sum() < _FEWEST_ROWS:
            return None
        rows = PanelRows(
            flow.values[:, months],
            np.stack([c.values[:, months] for c in shown]),
            known,
            _counting(flow.counting_variance[:, months], known),
            _groups(types, sampled),
            calendar_months[months],
        )
        sample = rows.select(sampled)
        first = _first_of_each(shown)
        components, kept = _weighed(sample, first)
        info = information(replace(sample, known=kept), components)
        return cls(rows, sampled, components, info, select(info, shown))

    def own(self, panel: StudioPanel, priors: ResponsePriors) -> dict[str, OwnResponses]:
        """Own slopes of single studios, for the responses that rest on data."""
        return own_responses(self.rows, self.components, self.info, self.selection, panel.studio_ids, priors)


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
    "fullness": "class_attendance_rate",
    "crowding": "class_attendance_rate",
    "overwork": "staff_utilization_rate",
}
"""Regressor to the panel's column that it is computed from."""


def estimate_responses(
    panel: StudioPanel,
    series: Mapping[str, FlowSeries],
    types: IntArray,
    priors: ResponsePriors,
    most_studios: int = 400,
) -> Responses:
    """Estimate all lever responses on the months of a panel.

    Args:
        panel: the months that may be used.
        series: the panel's flows.
        types: (S,) type of each studio.
        priors: priors of the effects.
        most_studios: largest number of studios that the panel's slopes are estimated on, the latest ten years
            of each.
    """
    has_flows = all(np.isfinite(series[flow].values).any() for flow in RESPONDING)
    months = slice(max(panel.n_months - _LATEST_MONTHS, 0), None)
    sampled = evenly_spaced_studios(panel, most_studios, np.asarray(panel.known.any(1)))
    effects: dict[str, dict[str, LeverEffect]] = {flow: {} for flow in RESPONDING}
    own: dict[str, dict[str, OwnResponses]] = {}
    comfort: Comfort | None = None
    for flow in (*RESPONDING, "visits"):
        if flow != "visits" and not has_flows:
            continue
        candidates = candidates_of(flow, panel, comfort)
        observed = _per_starting_member(series[flow], panel) if flow == "visits" else series[flow]
        fitted = ResponseFit.of(observed, candidates, types, panel.calendar_months, months, sampled)
        if fitted is None:
            continue
        if flow == "retention":
            comfort = chosen_comfort(fitted.selection)
        effects[flow] = {
            name: _with_prior(name, found, priors)
            for name, found in fitted.selection.found.items()
            if name not in CONTROLS
        }
        own[flow] = fitted.own(panel, priors)
    for flow in RESPONDING:
        effects[flow] = _assumed(flow, panel, priors, has_flows) | effects[flow]
    density = classes_per_member(panel.values["total_classes_held"], starting_members(panel))
    known = density[np.isfinite(density)]
    typical = float(np.median(known)) if known.size else 0.0
    return Responses(effects, comfort or Comfort(), {f: o for f, o in own.items() if o}, typical)


def _per_starting_member(visits: FlowSeries, panel: StudioPanel) -> FlowSeries:
    """Visits per member of the month before, because members at the month's end partly result from visits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log(panel.values["total_members"]) - np.log(previous_month(panel.values["total_members"]))
    return FlowSeries(np.where(np.isfinite(grown), visits.values + grown, np.nan), visits.counting_variance)


def _assumed(flow: str, panel: StudioPanel, priors: ResponsePriors, responds: bool) -> dict[str, LeverEffect]:
    """Prior effects of a flow, for the regressors whose columns the panel has; 0 where it lacks the flow."""
    carried = [n for n in REGRESSORS_OF[flow] if np.isfinite(panel.values[_COLUMN_OF[n]]).any()]
    return {name: priors.prior(name).effect(responds) for name in carried}


def _with_prior(name: str, found: Found, priors: ResponsePriors) -> LeverEffect:
    """Effect that is used: the posterior mean, at most 0 for a burden.

    Without an informed prior, an effect that is not credible is set to 0 and its estimate is kept.
    """
    prior, error = priors.prior(name), found.standard_error
    if not np.isfinite(error) or error <= 0:
        return prior.effect()
    if name not in INFORMED and not found.credible:
        return LeverEffect("prior", 0.0, error, found.estimate)
    mean, deviation = prior.posterior(found.estimate, error)
    source = "data" if error < prior.standard_deviation else "prior"
    return LeverEffect(source, min(mean, 0.0) if name in BURDENS else mean, deviation, found.estimate)
