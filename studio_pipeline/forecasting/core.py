"""The stock-and-flow core at work: the states of every flow on a panel, and projections from any origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from studio_pipeline.forecasting.class_planning import ClassPlanning
from studio_pipeline.forecasting.core_parameters import CoreParameters, FlowParameters
from studio_pipeline.forecasting.flow_terms import FlowTerms, OriginStock, flow_terms
from studio_pipeline.forecasting.flows import FLOW_LINKS, FlowSeries, flow_series, previous_month
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.level_filter import run_filters
from studio_pipeline.forecasting.level_states import LevelStates, project
from studio_pipeline.forecasting.own_smoothing import own_smoothing
from studio_pipeline.forecasting.response_regressors import RESPONDING, starting_members
from studio_pipeline.forecasting.responses import RowResponses
from studio_pipeline.forecasting.stock_and_flow import CorePaths, simulate_terms
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

SMOOTHED_FLOWS: tuple[str, ...] = ("revenue", "members")


@dataclass(frozen=True)
class CoreStates:
    """What the core knows of every studio at every month of a panel, each month by itself.

    Attributes:
        parameters: the fitted parameters that were used.
        panel: the months.
        types: (S,) rows of the studios' types in the parameters' tables.
        class_capacity: (S, T) seats per class as last known; NaN before any.
        flows: filter states by flow.
        planned_classes: (S, T) what planning has added to the log of classes.
        responses: of the panel's studios.
    """

    parameters: CoreParameters
    panel: StudioPanel
    types: IntArray
    class_capacity: FloatArray
    flows: Mapping[str, LevelStates]
    planned_classes: FloatArray
    responses: RowResponses

    @cached_property
    def smoothed(self) -> Mapping[str, FloatArray]:
        """Flow to its (S, T, 12) own smoothing from every month, on the flow's scale; reckoned when first
        asked for.
        """
        series = flow_series(self.panel)
        return {
            name: own_smoothing(
                series[name].values,
                self.parameters.flows[name].season[self.types],
                self.panel.calendar_months,
                MAX_HORIZON_MONTHS,
            )
            for name in SMOOTHED_FLOWS
            if name in self.parameters.flows
        }


def without_responses(
    name: str, flow: FlowSeries, panel: StudioPanel, responses: RowResponses, planning: ClassPlanning
) -> FlowSeries:
    """A flow with what its responses explain taken out; the flow itself where nothing does."""
    if name == "classes":
        planned = planning.planned(panel.values["class_attendance_rate"])
        return FlowSeries(flow.values - planned, flow.counting_variance)
    v = panel.values
    if name == "visits" and responses.pool.slope("visits", "classes"):
        explained = responses.visits_contribution(v["total_classes_held"], starting_members(panel))
        return FlowSeries(flow.values - explained, flow.counting_variance)
    if name not in RESPONDING:
        return flow
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.log(last_known(np.where(v["avg_ticket_price"] > 0, v["avg_ticket_price"], np.nan)))
    attendance = v["class_attendance_rate"]
    explained = responses.contribution(
        name, price, previous_month(attendance), v["staff_utilization_rate"], attendance
    )
    return FlowSeries(flow.values - explained, flow.counting_variance)


def filtered(
    flow: FlowSeries, fitted: FlowParameters, types: IntArray, calendar_months: IntArray
) -> LevelStates:
    """One flow's states under its fitted parameters, responses already taken out; (S,) types, (T,) months."""
    return run_filters(
        flow.values,
        flow.counting_variance,
        fitted.type_mean[types],
        fitted.season[types],
        calendar_months,
        [fitted.settings],
    )


def core_states(panel: StudioPanel, parameters: CoreParameters, assume_typical: bool = False) -> CoreStates:
    """Filters every flow of a panel under fitted parameters.

    Args:
        panel: the months.
        parameters: as fitted on these or other months.
        assume_typical: give a studio that hasn't shown a flow its type's level; else it has none.
    """
    types = parameters.types_of(panel.studio_types)
    series, responses = flow_series(panel), parameters.responses.rows(panel.studio_ids.tolist())
    flows = {}
    for name, fitted in parameters.flows.items():
        adjusted = without_responses(name, series[name], panel, responses, parameters.planning)
        states = filtered(adjusted, fitted, types, panel.calendar_months)
        if assume_typical:
            states = replace(
                states, level=np.where(np.isnan(states.level), fitted.type_mean[types][:, None], states.level)
            )
        flows[name] = states
    planned = parameters.planning.planned(panel.values["class_attendance_rate"])
    capacity = last_known(panel.values["class_capacity"])
    return CoreStates(parameters, panel, types, capacity, flows, planned, responses)


def last_known(values: FloatArray) -> FloatArray:
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
    projected["classes"] = projected["classes"] + states.planned_classes[rows, columns, None]
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
    return simulate_terms(origin_terms(states, flows, rows, columns), levers)


def origin_terms(
    states: CoreStates, flows: Mapping[str, FloatArray], rows: IntArray, columns: IntArray
) -> FlowTerms:
    """What projections from N origins run on."""
    origin = OriginStock(
        states.panel.values["total_members"][rows, columns],
        states.class_capacity[rows, columns],
        states.panel.values["class_attendance_rate"][rows, columns],
    )
    return flow_terms(flows, origin, states.responses.take(rows), states.parameters.planning)
