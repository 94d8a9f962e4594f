"""The stock-and-flow core: fitted parameters of every flow, their states on a panel, and projections from any
origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from studio_pipeline.forecasting.flow_tuning import FlowSample, starting_settings, tune
from studio_pipeline.forecasting.flows import (
    FLOW_LINKS,
    FlowSeries,
    flow_series,
    logit,
    previous_month,
    sigmoid,
)
from studio_pipeline.forecasting.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.level_filter import FilterSettings, LevelStates, project, run_filters
from studio_pipeline.forecasting.queries import LeverEffect
from studio_pipeline.forecasting.responses import Responses, estimate_responses
from studio_pipeline.forecasting.seasons import type_seasons
from studio_pipeline.forecasting.stock_and_flow import CorePaths, OriginStock, simulate
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

_RESPONDING = ("retention", "acquisition")
_TUNING_MONTHS = 120
_SHIFT_MONTHS = 36
_FEWEST_FOR_SHIFT = 50
_FIRST_ROUNDS, _LATER_ROUNDS = 5, 1


@dataclass(frozen=True)
class FlowParameters:
    """What is fitted of one flow.

    Attributes:
        settings: of its level filter.
        type_mean: (K+1,) where a studio's level starts, by type; the last entry serves unknown types.
        season: (K+1, 12) seasonal factors by type on the flow's scale; the last row serves unknown types.
        mean_shift: what takes a forecast from the flow's scale to a mean on the natural scale (Jensen's gap).
    """

    settings: FilterSettings
    type_mean: FloatArray
    season: FloatArray
    mean_shift: float = 0.0


@dataclass(frozen=True)
class CoreParameters:
    """What is fitted of the core on the months of a panel.

    Attributes:
        studio_types: (K,) the types that have their own row in every flow's tables.
        flows: parameters by flow; a flow without data is not there.
        responses: of retention and acquisition to price, crowding and overwork.
    """

    studio_types: tuple[str, ...]
    flows: Mapping[str, FlowParameters]
    responses: Responses

    def types_of(self, names: Any) -> IntArray:
        """Row of each studio's type in the tables; an unknown type gets the last row."""
        rows = {name: k for k, name in enumerate(self.studio_types)}
        return np.array([rows.get(str(name), len(rows)) for name in names], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; floats keep every bit."""
        return {
            "studio_types": list(self.studio_types),
            "flows": {
                name: {
                    "settings": f.settings.as_dict(),
                    "type_mean": f.type_mean.tolist(),
                    "season": f.season.tolist(),
                    "mean_shift": f.mean_shift,
                }
                for name, f in self.flows.items()
            },
            "responses": {
                flow: {r: [e.source, e.effect, e.standard_error] for r, e in effects.items()}
                for flow, effects in self.responses.effects.items()
            },
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CoreParameters:
        """Inverse of `to_json`."""
        flows = {
            name: FlowParameters(
                FilterSettings(**f["settings"]),
                np.array(f["type_mean"]),
                np.array(f["season"]),
                f["mean_shift"],
            )
            for name, f in stored["flows"].items()
        }
        effects = {
            flow: {r: LeverEffect(e[0], e[1], e[2]) for r, e in given.items()}
            for flow, given in stored["responses"].items()
        }
        return cls(tuple(stored["studio_types"]), flows, Responses(effects))


@dataclass(frozen=True)
class CoreStates:
    """What the core knows of every studio at every month of a panel, each month by itself.

    Attributes:
        parameters: the fitted parameters that were used.
        panel: the months.
        types: (S,) rows of the studios' types in the parameters' tables.
        class_capacity: (S, T) seats per class as last known; NaN before any.
        flows: filter states by flow.
    """

    parameters: CoreParameters
    panel: StudioPanel
    types: IntArray
    class_capacity: FloatArray
    flows: Mapping[str, LevelStates]


def fit_core_parameters(
    panel: StudioPanel, hyperparameters: CoreHyperparameters, previous: CoreParameters | None = None
) -> CoreParameters:
    """Fits the core on all months of a panel.

    Args:
        panel: the months that may be used.
        hyperparameters: shrinkage and search effort.
        previous: parameters fitted on fewer months of the same panel; the search starts from them and ends
            sooner.
    """
    names = tuple(sorted({str(t) for t in panel.studio_types if t}))
    types = CoreParameters(names, {}, Responses({})).types_of(panel.studio_types)
    series = flow_series(panel)
    responses = estimate_responses(panel, series, types, hyperparameters.response_prior_scale)
    fitted = {}
    for name in FLOW_LINKS:
        adjusted = _without_responses(name, series[name], panel, responses)
        if np.isfinite(adjusted.values).sum() >= 2:
            before = previous.flows.get(name) if previous else None
            tuned = _fit_flow(adjusted, types, len(names), panel.calendar_months, hyperparameters, before)
            shift = (
                _mean_shift(name, adjusted, tuned, types, panel.calendar_months)
                if name in _RESPONDING
                else 0.0
            )
            fitted[name] = replace(tuned, mean_shift=shift)
    return CoreParameters(names, fitted, responses)


def _without_responses(name: str, flow: FlowSeries, panel: StudioPanel, responses: Responses) -> FlowSeries:
    if name not in _RESPONDING:
        return flow
    v = panel.values
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.log(v["avg_ticket_price"])
    attendance_before = previous_month(v["class_attendance_rate"])
    explained = responses.contribution(name, price, attendance_before, v["staff_utilization_rate"])
    return FlowSeries(flow.values - explained, flow.counting_variance)


def _fit_flow(
    flow: FlowSeries,
    types: IntArray,
    n_types: int,
    calendar_months: IntArray,
    hyperparameters: CoreHyperparameters,
    before: FlowParameters | None,
) -> FlowParameters:
    seen = np.isfinite(flow.values)
    typical = np.nanmedian(np.diff(flow.values, axis=1) ** 2) if seen[:, 1:].any() else 1.0
    weights = np.where(
        seen, 1 / (flow.counting_variance + 0.5 * max(float(np.nan_to_num(typical)), 1e-6)), 0.0
    )
    season = type_seasons(
        flow.values, weights, types, n_types + 1, calendar_months, hyperparameters.season_shrinkage_years
    )
    season[-1] = type_seasons(
        flow.values, weights, np.zeros_like(types), 1, calendar_months, hyperparameters.season_shrinkage_years
    )[0]
    type_mean = _type_means(flow.values, weights, types, n_types)
    chosen = _tuning_studios(seen, hyperparameters.tuning_studios)
    sample = FlowSample(
        flow.values[chosen, -_TUNING_MONTHS:],
        flow.counting_variance[chosen, -_TUNING_MONTHS:],
        type_mean[types[chosen]],
        season[types[chosen]],
        calendar_months[-_TUNING_MONTHS:],
    )
    start = before.settings if before else starting_settings(sample)
    return FlowParameters(tune(sample, start, _LATER_ROUNDS if before else _FIRST_ROUNDS), type_mean, season)


def _mean_shift(
    name: str, flow: FlowSeries, fitted: FlowParameters, types: IntArray, calendar_months: IntArray
) -> float:
    """The shift under which one-month-ahead forecasts of the last three years are right on average, not in
    the median.
    """
    states = run_filters(
        flow.values,
        flow.counting_variance,
        fitted.type_mean[types],
        fitted.season[types],
        calendar_months,
        [fitted.settings],
    )
    recent = np.zeros(flow.values.shape, dtype=bool)
    recent[:, -_SHIFT_MONTHS:] = True
    used = recent & np.isfinite(states.surprise[0]) & np.isfinite(states.level[0])
    if used.sum() < _FEWEST_FOR_SHIFT:
        return 0.0
    actual, expected = flow.values[used], (flow.values - states.surprise[0])[used]
    # Common surprises are the market's, not Jensen's: only their spread around the mean counts.
    actual = actual - (actual - expected).mean()
    natural = sigmoid if FLOW_LINKS[name] == "logit" else np.exp
    scale = logit if FLOW_LINKS[name] == "logit" else np.log
    return float(scale(natural(actual).mean()) - scale(natural(expected).mean()))


def _type_means(values: FloatArray, weights: FloatArray, types: IntArray, n_types: int) -> FloatArray:
    """(K+1,) weighted means by type, shrunk to the panel's, which is the last entry."""
    total, weight = np.nansum(weights * np.nan_to_num(values)), weights.sum()
    panel_mean = total / max(weight, 1e-12)
    prior = weight / max(len(values), 1)
    sums = np.bincount(types, (weights * np.nan_to_num(values)).sum(1), n_types + 1) + prior * panel_mean
    means = sums / (np.bincount(types, weights.sum(1), n_types + 1) + prior + 1e-12)
    means[-1] = panel_mean
    return np.asarray(means)


def _tuning_studios(seen: FloatArray, most: int) -> IntArray:
    """Evenly spaced rows among the studios that have the flow."""
    rows = np.flatnonzero(seen.any(1))
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def core_states(panel: StudioPanel, parameters: CoreParameters, assume_typical: bool = False) -> CoreStates:
    """Filters every flow of a panel under fitted parameters.

    Args:
        panel: the months.
        parameters: as fitted on these or other months.
        assume_typical: give a studio that hasn't shown a flow its type's level; else it has none.
    """
    types = parameters.types_of(panel.studio_types)
    series = flow_series(panel)
    flows = {}
    for name, fitted in parameters.flows.items():
        adjusted = _without_responses(name, series[name], panel, parameters.responses)
        states = run_filters(
            adjusted.values,
            adjusted.counting_variance,
            fitted.type_mean[types],
            fitted.season[types],
            panel.calendar_months,
            [fitted.settings],
        )
        if assume_typical:
            states = replace(
                states, level=np.where(np.isnan(states.level), fitted.type_mean[types][:, None], states.level)
            )
        flows[name] = states
    return CoreStates(parameters, panel, types, _last_known(panel.values["class_capacity"]), flows)


def _last_known(values: FloatArray) -> FloatArray:
    """(S, T) the last finite value up to each month."""
    index = np.where(np.isfinite(values), np.arange(values.shape[1]), -1)
    last = np.maximum.accumulate(index, axis=1)
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), 1), np.nan)


def project_flows(
    states: CoreStates, rows: IntArray, columns: IntArray, horizon_months: int
) -> dict[str, FloatArray]:
    """Flow name to its (N, H) projection from N origins, responses not yet added; NaN for a flow without
    data.
    """
    first = states.panel.calendar_months[0]
    target = (first + columns[:, None] + np.arange(1, horizon_months + 1)) % 12
    unknown = np.full(target.shape, np.nan)
    projected = dict.fromkeys(FLOW_LINKS, unknown)
    for name, flow in states.flows.items():
        fitted = states.parameters.flows[name]
        season_path = np.take_along_axis(fitted.season[states.types[rows]], target, 1)
        projected[name] = project(flow, 0, rows, columns, season_path, fitted.settings) + fitted.mean_shift
    return projected


def project_core(
    states: CoreStates,
    rows: IntArray,
    columns: IntArray,
    horizon_months: int,
    levers: Mapping[str, FloatArray] | None = None,
) -> CorePaths:
    """Projects N studios from N origins with some levers given.

    Args:
        states: of the panel that the origins lie in.
        rows: (N,) studio rows.
        columns: (N,) month columns of the origins.
        horizon_months: H, 1..12.
        levers: lever name to (N, H) values, NaN where free.
    """
    flows = project_flows(states, rows, columns, horizon_months)
    return simulate_flows(states, flows, rows, columns, levers or {})


def simulate_flows(
    states: CoreStates,
    flows: Mapping[str, FloatArray],
    rows: IntArray,
    columns: IntArray,
    levers: Mapping[str, FloatArray],
) -> CorePaths:
    """Runs projected flows through the stock-and-flow arithmetic from N origins, with some levers given."""
    origin = OriginStock(
        states.panel.values["total_members"][rows, columns],
        states.class_capacity[rows, columns],
        states.panel.values["class_attendance_rate"][rows, columns],
    )
    return simulate(flows, origin, states.parameters.responses, levers)
