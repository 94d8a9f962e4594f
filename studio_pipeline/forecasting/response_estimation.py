"""Estimating how members respond to levers, on the months of a panel.

Every flow is regressed on its regressors by generalised least squares with an effect for each studio and for
each type's calendar month. From where on classes are crowded and staff overworked is chosen where the burden
shows most. A response is used only where it is significant at a level that counts how many are looked at,
and where its sign is one that economics allows; else it is zero and said to rest on the prior.
Sources: Davies (1987), Biometrika 74(1), on thresholds that are chosen by the data; Cameron & Miller (2015),
Journal of Human Resources 50(2), on standard errors clustered by studio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.flows import FlowSeries, previous_month
from studio_pipeline.forecasting.queries import LeverEffect
from studio_pipeline.forecasting.response_regression import (
    ErrorComponents,
    Information,
    PanelRows,
    Slopes,
    error_components,
    information,
    without_effects,
)
from studio_pipeline.forecasting.response_selection import CONTROLS, Candidate, Selection, select
from studio_pipeline.forecasting.responses import (
    RESPONDING,
    Comfort,
    OwnResponses,
    Responses,
    classes_per_member,
    crowding,
    overwork,
    starting_members,
)
from studio_pipeline.forecasting.sampling import evenly_spaced_studios
from studio_pipeline.forecasting.studio_slopes import own_responses
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

_LATEST_MONTHS = 120
_FEWEST_ROWS = 60
_FEWEST_OF_TYPE = 5
_CUT_SURPRISE = 3.5
_MONTHS_AFTER_CUT = 2
_ROUNDS = 2
_ATTENDANCE_GRID = tuple(round(0.64 + 0.02 * k, 2) for k in range(14))
_UTILIZATION_GRID = tuple(round(0.78 + 0.01 * k, 2) for k in range(15))


def estimate_responses(
    panel: StudioPanel,
    series: Mapping[str, FlowSeries],
    types: IntArray,
    prior_scale: float,
    most_studios: int = 400,
) -> Responses:
    """Estimates all responses on the months of a panel.

    Args:
        panel: the months that may be used.
        series: its flows.
        types: (S,) type of each studio.
        prior_scale: standard deviation of an effect before any data are seen.
        most_studios: so many studios at most speak for the panel; the latest ten years of each.
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
        candidates = _candidates(flow, panel, comfort)
        observed = _per_starting_member(series[flow], panel) if flow == "visits" else series[flow]
        fitted = _Fit.of(observed, candidates, types, panel.calendar_months, months, sampled)
        if fitted is None:
            continue
        if flow == "retention":
            comfort = _comfort(fitted.selection)
        effects[flow] = {
            name: _with_prior(found.estimate, found.standard_error, found.credible, prior_scale)
            for name, found in fitted.selection.found.items()
            if name not in CONTROLS
        }
        own[flow] = fitted.own(panel, prior_scale)
    density = classes_per_member(panel.values["total_classes_held"], starting_members(panel))
    known = density[np.isfinite(density)]
    typical = float(np.median(known)) if known.size else 0.0
    return Responses(effects, comfort or Comfort(), {f: o for f, o in own.items() if o}, typical)


def _per_starting_member(visits: FlowSeries, panel: StudioPanel) -> FlowSeries:
    """Visits over the members of the month before: those at the month's end are partly its consequence."""
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log(panel.values["total_members"]) - np.log(previous_month(panel.values["total_members"]))
    return FlowSeries(np.where(np.isfinite(grown), visits.values + grown, np.nan), visits.counting_variance)


def _with_prior(estimate: float, error: float, credible: bool, prior_scale: float) -> LeverEffect:
    """Posterior mean under a weak normal prior at zero; what is not credible is zero, its estimate kept."""
    if not np.isfinite(error):
        return LeverEffect("prior", 0.0, prior_scale)
    if not credible:
        return LeverEffect("prior", 0.0, error, estimate)
    return LeverEffect("data", estimate * prior_scale**2 / (prior_scale**2 + error**2), error, estimate)


def _comfort(selection: Selection) -> Comfort:
    usual = Comfort()
    shown = {name: selection.chosen[name] for name in selection.used}
    crowded, worked = shown.get("crowding"), shown.get("overwork")
    return Comfort(
        usual.attendance_rate if crowded is None else crowded.threshold,
        usual.utilization if worked is None else worked.threshold,
        usual.same_month if crowded is None else crowded.same_month,
    )


def _candidates(flow: str, panel: StudioPanel, comfort: Comfort | None) -> list[Candidate]:
    """What a flow may respond to; thresholds are looked for where `comfort` is not known yet."""
    v = panel.values
    prices = v["avg_ticket_price"]
    # Over the typical price slopes are the same to the last bit in a currency of twice the unit.
    typical = float(np.median(prices[np.isfinite(prices)])) if np.isfinite(prices).any() else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        price, classes, members = (
            np.log(x) for x in (prices / (typical or 1.0), v["total_classes_held"], v["total_members"])
        )
    if flow == "visits":
        # Members are there as a control: they and their visits have common causes, classes have fewer.
        return [Candidate("classes", classes), Candidate("members", previous_month(members))]
    now, before = v["class_attendance_rate"], previous_month(v["class_attendance_rate"])
    staff, usual = v["staff_utilization_rate"], Comfort()
    if comfort is None:
        # Where no threshold shows a burden the first stands: the usual one.
        rates = sorted(_ATTENDANCE_GRID, key=lambda rate: rate != usual.attendance_rate)
        crowds = [(rate, same) for same in (False, True) for rate in rates]
        works = sorted(_UTILIZATION_GRID, key=lambda rate: rate != usual.utilization)
    else:
        crowds, works = [(comfort.attendance_rate, comfort.same_month)], [comfort.utilization]
    found = [Candidate("price", price)]
    if flow == "retention":
        found.append(Candidate("fullness", before))
    found += [
        Candidate("crowding", crowding(now if same else before, rate), rate, same) for rate, same in crowds
    ]
    return found + [Candidate("overwork", overwork(staff, rate), rate) for rate in works]


@dataclass(frozen=True)
class _Fit:
    """One flow's regression.

    Attributes:
        rows: the studio-months of all studios, all candidates.
        sampled: (M,) studios that speak for the panel.
        components: of the errors.
        info: of the sampled studios.
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
    ) -> _Fit | None:
        """None where too few months show the flow and what it may respond to."""
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
        sample = _select(rows, sampled)
        first = _first_of_each(shown)
        components, kept = _weighed(sample, first)
        info = information(_masked(sample, kept), components)
        return cls(rows, sampled, components, info, select(info, shown))

    def own(self, panel: StudioPanel, prior_scale: float) -> dict[str, OwnResponses]:
        """What single studios' months say of the responses that rest on data."""
        return own_responses(
            self.rows, self.components, self.info, self.selection, panel.studio_ids, prior_scale
        )


def _first_of_each(candidates: list[Candidate]) -> list[int]:
    names = [c.name for c in candidates]
    return [k for k, name in enumerate(names) if names.index(name) == k]


def _weighed(rows: PanelRows, first: list[int]) -> tuple[ErrorComponents, BoolArray]:
    """The errors' components, and the months left after those no course of events foretells are cut, with the
    months that they linger in.
    """
    few = PanelRows(
        rows.outcome, rows.regressors[first], rows.known, rows.counting, rows.groups, rows.calendar_months
    )
    every, known = list(range(len(first))), rows.known
    left = without_effects(few)
    gram = np.einsum("kst,lst->kl", left[:-1], left[:-1])
    slope = np.linalg.pinv(gram, hermitian=True) @ np.einsum("kst,st->k", left[:-1], left[-1])
    for _ in range(_ROUNDS):
        part = _masked(few, known)
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
    """(S,) harmonic mean: a month's own count would weigh it by its luck, and lucky ones would seem exact."""
    inverse = np.where(known & (variance > 0), 1 / np.where(variance > 0, variance, 1.0), 0.0)
    counted = inverse > 0
    return np.where(counted.any(1), counted.sum(1) / np.maximum(inverse.sum(1), 1e-12), 0.0)


def _groups(types: IntArray, sampled: IntArray) -> IntArray:
    """(S,) types, those of few studios together."""
    counts = np.bincount(types[sampled], minlength=int(types.max()) + 1)
    numbers = np.where(counts >= _FEWEST_OF_TYPE, np.cumsum(counts >= _FEWEST_OF_TYPE), 0)
    return np.asarray(np.unique(numbers[types], return_inverse=True)[1].reshape(-1), dtype=np.int64)


def _select(rows: PanelRows, studios: IntArray) -> PanelRows:
    return PanelRows(
        rows.outcome[studios],
        rows.regressors[:, studios],
        rows.known[studios],
        rows.counting[studios],
        rows.groups[studios],
        rows.calendar_months,
    )


def _masked(rows: PanelRows, known: BoolArray) -> PanelRows:
    return PanelRows(rows.outcome, rows.regressors, known, rows.counting, rows.groups, rows.calendar_months)
