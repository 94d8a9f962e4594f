"""Estimating how members respond to levers, on the months of a panel.

Every flow is regressed on its regressors by generalised least squares with an effect for each studio and for
each type's calendar month. From where on classes are crowded and staff overworked is chosen where the burden
shows most. The response to the price is the posterior of its estimate under a prior of plausible sign and
size, or that prior where the months allow no estimate. Any other response is used only where it is
significant at a level that counts how many are looked at, and where its sign is one that economics allows;
else it is zero and said to rest on the prior.
Sources: Davies (1987), Biometrika 74(1), on thresholds that are chosen by the data; Cameron & Miller (2015),
Journal of Human Resources 50(2), on standard errors clustered by studio.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.flows import FlowSeries, previous_month
from studio_pipeline.forecasting.queries import LeverEffect
from studio_pipeline.forecasting.response_candidates import candidates_of, chosen_comfort
from studio_pipeline.forecasting.response_fit import ResponseFit
from studio_pipeline.forecasting.response_priors import INFORMED, ResponsePriors
from studio_pipeline.forecasting.response_regressors import (
    REGRESSORS_OF,
    RESPONDING,
    Comfort,
    classes_per_member,
    starting_members,
)
from studio_pipeline.forecasting.response_selection import BURDENS, CONTROLS, Found
from studio_pipeline.forecasting.responses import OwnResponses, Responses
from studio_pipeline.forecasting.sampling import evenly_spaced_studios
from studio_pipeline.panel.arrays import IntArray, StudioPanel

_LATEST_MONTHS = 120
_COLUMN_OF = {
    "price": "avg_ticket_price",
    "fullness": "class_attendance_rate",
    "crowding": "class_attendance_rate",
    "overwork": "staff_utilization_rate",
}
"""Regressor to the column of the panel that it is made of."""


def estimate_responses(
    panel: StudioPanel,
    series: Mapping[str, FlowSeries],
    types: IntArray,
    priors: ResponsePriors,
    most_studios: int = 400,
) -> Responses:
    """Estimates all responses on the months of a panel.

    Args:
        panel: the months that may be used.
        series: its flows.
        types: (S,) type of each studio.
        priors: of the effects before any data are seen.
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
    """Visits over the members of the month before: those at the month's end are partly its consequence."""
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log(panel.values["total_members"]) - np.log(previous_month(panel.values["total_members"]))
    return FlowSeries(np.where(np.isfinite(grown), visits.values + grown, np.nan), visits.counting_variance)


def _assumed(flow: str, panel: StudioPanel, priors: ResponsePriors, responds: bool) -> dict[str, LeverEffect]:
    """The effects of a flow before any data are seen, of the regressors that the panel's columns carry.

    Where the panel lacks the flow nothing responds, and they are 0.
    """
    carried = [n for n in REGRESSORS_OF[flow] if np.isfinite(panel.values[_COLUMN_OF[n]]).any()]
    return {name: priors.prior(name).effect(responds) for name in carried}


def _with_prior(name: str, found: Found, priors: ResponsePriors) -> LeverEffect:
    """The effect that is used: the posterior mean, of a burden at most 0.

    Without an informed prior an effect that is not credible is zero, its estimate kept.
    """
    prior, error = priors.prior(name), found.standard_error
    if not np.isfinite(error) or error <= 0:
        return prior.effect()
    if name not in INFORMED and not found.credible:
        return LeverEffect("prior", 0.0, error, found.estimate)
    mean, deviation = prior.posterior(found.estimate, error)
    source = "data" if error < prior.standard_deviation else "prior"
    return LeverEffect(source, min(mean, 0.0) if name in BURDENS else mean, deviation, found.estimate)
