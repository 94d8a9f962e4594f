"""Flows adjusted for lever responses, their filter states, and the market component that studios share.

The filter's recursions are in `kalman_filter`; projections from its states are in `states`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.flows import FlowSeries, one_flow, previous_month
from studio_pipeline.forecasting.core.exponential_smoothing import typical_losses
from studio_pipeline.forecasting.core.filter_states import FilterStates, Market
from studio_pipeline.forecasting.core.kalman_filter import run_filters
from studio_pipeline.forecasting.core.parameters import ClassPlanning, CoreParameters, FlowParameters
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


def last_known(values: FloatArray) -> FloatArray:
    """(S, T) last finite value up to each month; NaN before any."""
    index = np.where(np.isfinite(values), np.arange(values.shape[1]), -1)
    last = np.maximum.accumulate(index, axis=1)
    return np.where(last >= 0, values[np.arange(len(values))[:, None], np.maximum(last, 0)], np.nan)


def filtered(
    flow: FlowSeries, fitted: FlowParameters, types: IntArray, calendar_months: IntArray
) -> FilterStates:
    """Filter states of one adjusted flow under its fitted parameters, for (S,) types and (T,) months."""
    return run_filters(
        flow, fitted.type_mean[types], fitted.season[types], calendar_months, [fitted.settings]
    )


def filtered_flows(
    panel: StudioPanel,
    parameters: CoreParameters,
    types: IntArray,
    responses: RowResponses,
    markets: Mapping[str, Market] | None = None,
) -> Iterator[tuple[str, FilterStates]]:
    """Yield every flow with its filter states; flows are filtered in batches of at most `_ROWS_AT_ONCE` rows.

    Args:
        types: (S,) rows of the studios' types in the parameters' tables.
        markets: market of each flow, if the studios are part of a larger panel.
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
