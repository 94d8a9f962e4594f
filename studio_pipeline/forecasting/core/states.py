"""States of the core for every flow of a panel, their market component, and projections from any origin.

Flows are adjusted for lever responses before they are filtered. The filter's recursions are in
`kalman_filter`, the simulation of projected flows in `simulation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.base.flows import FLOW_LINKS, FlowSeries, one_flow, previous_month
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.core.exponential_smoothing import typical_losses
from studio_pipeline.forecasting.core.filter_states import FilterStates, Market, project
from studio_pipeline.forecasting.core.flow_terms import FlowTerms, OriginStock, flow_terms
from studio_pipeline.forecasting.core.kalman_filter import run_filters
from studio_pipeline.forecasting.core.parameters import ClassPlanning, CoreParameters
from studio_pipeline.forecasting.core.simulation import CorePaths, simulate_terms
from studio_pipeline.forecasting.responses.regressors import RESPONDING, starting_members
from studio_pipeline.forecasting.responses.responses import RowResponses
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

_ROWS_AT_ONCE = 4096


def without_responses(
    name: str, flow: FlowSeries, panel: StudioPanel, responses: RowResponses, planning: ClassPlanning
) -> FlowSeries:
    """Flow minus the contribution of its responses; unchanged if it has none."""
    if name == "classes":
        planned = planning.planned(panel.values["class_attendance_rate"])
        return FlowSeries(flow.values - planned, flow.counting_variance)
    v = panel.values
    market_price = responses.pool.market_price(panel.month_numbers)
    if name == "ticket":
        return FlowSeries(flow.values - market_price, flow.counting_variance)
    if name == "visits" and responses.pool.slope("visits", "classes"):
        explained = responses.visits_contribution(v["total_classes_held"], starting_members(panel))
        return FlowSeries(flow.values - explained, flow.counting_variance)
    if name not in RESPONDING:
        return flow
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.log(np.where(v["avg_ticket_price"] > 0, v["avg_ticket_price"], np.nan))
    price = last_known(price - market_price)
    attendance = v["class_attendance_rate"]
    explained = responses.contribution(
        name, price, previous_month(attendance), attendance, v["staff_utilization_rate"]
    )
    return FlowSeries(flow.values - explained, flow.counting_variance)


def last_known(values: FloatArray) -> FloatArray:
    """(S, T) last finite value up to each month; NaN before any."""
    index = np.where(np.isfinite(values), np.arange(values.shape[1]), -1)
    last = np.maximum.accumulate(index, axis=1)
    return np.where(last >= 0, values[np.arange(len(values))[:, None], np.maximum(last, 0)], np.nan)


def filtered_flows(
    panel: StudioPanel,
    parameters: CoreParameters,
    types: IntArray,
    responses: RowResponses,
    markets: Mapping[str, Market] | None = None,
) -> Iterator[tuple[str, FilterStates]]:
    """Yield every flow with its filter states; flows are filtered in batches of at most `_ROWS_AT_ONCE` rows.
    `markets`: market of each flow, if the studios are part of a larger panel.
    """
    names = list(parameters.flows)
    at_once = max(_ROWS_AT_ONCE // max(panel.n_studios, 1), 1)
    for first in range(0, len(names), at_once):
        some = names[first : first + at_once]
        fitted = [parameters.flows[name] for name in some]
        flows = [
            without_responses(name, one_flow(panel, name), panel, responses, parameters.planning)
            for name in some
        ]
        states = run_filters(
            FlowSeries(
                np.stack([flow.values for flow in flows]),
                np.stack([flow.counting_variance for flow in flows]),
            ),
            np.stack([f.type_mean[types] for f in fitted]),
            np.stack([f.season[types] for f in fitted]),
            panel.calendar_months,
            [f.settings for f in fitted],
            None if markets is None else Market.joined([markets[name] for name in some]),
        )
        for place, name in enumerate(some):
            yield name, states.layer(place)


SMOOTHED_FLOWS: tuple[str, ...] = ("revenue", "members")


@dataclass(frozen=True)
class CoreMarket:
    """Market components of one panel's studios in each of T months."""

    flows: Mapping[str, Market]  # flow to its filter's market
    smoothing: Mapping[str, FloatArray]  # smoothed flow to its (T, P) `typical_losses`

    def until(self, n_months: int) -> CoreMarket:
        """Market of the first `n_months` months."""
        return CoreMarket(
            {name: market.until(n_months) for name, market in self.flows.items()},
            {name: losses[:n_months] for name, losses in self.smoothing.items()},
        )


def core_market(panel: StudioPanel, parameters: CoreParameters) -> CoreMarket:
    """Compute the market of a panel under fitted parameters."""
    types = parameters.types_of(panel.studio_types)
    responses = parameters.responses.rows(panel.studio_ids.tolist())
    # The states of all studios are large, so only the market of each flow is kept.
    flows = {name: states.market for name, states in filtered_flows(panel, parameters, types, responses)}
    smoothing = {
        name: typical_losses(
            one_flow(panel, name).values, parameters.flows[name].season[types], panel.calendar_months
        )
        for name in SMOOTHED_FLOWS
        if name in parameters.flows
    }
    return CoreMarket(flows, smoothing)


@dataclass(frozen=True)
class CoreStates:
    """Filter states of every studio and month of a panel; a month's state uses no later month."""

    parameters: CoreParameters  # the fitted parameters that were used
    panel: StudioPanel  # the months
    types: IntArray  # (S,) rows of the studios' types in the parameters' tables
    class_capacity: FloatArray  # (S, T) seats per class as last known; NaN before any
    flows: Mapping[str, FilterStates]  # filter states by flow
    planned_classes: FloatArray  # (S, T) accumulated change of the log of classes by planning
    responses: RowResponses  # responses of the panel's studios
    market: CoreMarket | None = None  # of the larger panel of the studios; None if they are the whole panel


def core_states(
    panel: StudioPanel,
    parameters: CoreParameters,
    assume_typical: bool = False,
    market: CoreMarket | None = None,
) -> CoreStates:
    """Filter every flow of a panel under fitted parameters.

    `assume_typical`: use the type's level for a flow that a studio lacks, instead of NaN; `market`: that of
    the larger panel that the studios belong to, up to the same month; estimated from them if not given.
    """
    types = parameters.types_of(panel.studio_types)
    responses = parameters.responses.rows(panel.studio_ids.tolist())
    markets = None if market is None else market.flows
    flows = dict(filtered_flows(panel, parameters, types, responses, markets))
    if assume_typical:
        for name, flow in flows.items():
            typical = parameters.flows[name].type_mean[types][:, None]
            flows[name] = replace(flow, level=np.where(np.isnan(flow.level), typical, flow.level))
    planned = parameters.planning.planned(panel.values["class_attendance_rate"])
    capacity = last_known(panel.values["class_capacity"])
    return CoreStates(parameters, panel, types, capacity, flows, planned, responses, market)


def project_flows(states: CoreStates, origins: Origins) -> dict[str, FloatArray]:
    """Flow name to its (N, 12) projection from N origins, without responses; NaN for a flow without data."""
    rows, columns = origins.rows, origins.columns
    first = states.panel.calendar_months[0]
    target = (first + columns[:, None] + np.arange(1, MAX_HORIZON_MONTHS + 1)) % 12
    projected = dict.fromkeys(FLOW_LINKS, np.full(target.shape, np.nan))
    types = states.types[rows, None]
    for name, flow in states.flows.items():
        fitted = states.parameters.flows[name]
        season_path = fitted.season[types, target]
        projected[name] = project(flow, rows, columns, season_path, fitted.settings) + fitted.mean_shift
    months = states.panel.month_numbers[columns, None] + np.arange(1, MAX_HORIZON_MONTHS + 1)
    projected["ticket"] = projected["ticket"] + states.responses.pool.market_price(months)
    projected["classes"] = projected["classes"] + states.planned_classes[rows, columns, None]
    return projected


def project_core(
    states: CoreStates, origins: Origins, levers: Mapping[str, FloatArray] | None = None
) -> CorePaths:
    """Project N studios over 12 months with some levers given, as in `simulate_terms`."""
    return simulate_terms(origin_terms(states, project_flows(states, origins), origins), levers or {})


def origin_terms(states: CoreStates, flows: Mapping[str, FloatArray], origins: Origins) -> FlowTerms:
    """Build the terms of projections from N origins."""
    rows, columns = origins.rows, origins.columns
    origin = OriginStock(
        states.panel.values["total_members"][rows, columns],
        states.class_capacity[rows, columns],
        states.panel.values["class_attendance_rate"][rows, columns],
        states.panel.month_numbers[columns],
    )
    return flow_terms(flows, origin, states.responses.take(rows), states.parameters.planning)


_STUDIOS_AT_ONCE = 256


class StudioStates:
    """Core states of some studios of a panel; the market of the whole panel is computed once."""

    def __init__(self, parameters: CoreParameters, panel: StudioPanel) -> None:
        self.parameters, self.panel = parameters, panel
        self._market = core_market(panel, parameters)

    def of(self, rows: IntArray, last_column: int) -> CoreStates:
        """Compute the states of the studios in `rows`, in that order, for the months up to a column."""
        some = self.panel.until(last_column).select(rows)
        return core_states(some, self.parameters, market=self._market.until(some.n_months))


def some_studios_at_a_time(rows: IntArray) -> Iterator[IntArray]:
    """Yield the sorted unique rows in batches of `_STUDIOS_AT_ONCE`; one empty batch if there are none."""
    single = np.unique(rows)
    for first in range(0, max(len(single), 1), _STUDIOS_AT_ONCE):
        yield single[first : first + _STUDIOS_AT_ONCE]
