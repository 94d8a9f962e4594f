"""States of the core for every flow of a panel, and projections from any origin.

Filtering is done in `adjusted_flows`, the simulation of projected flows in `simulation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.base.flows import FLOW_LINKS
from studio_pipeline.forecasting.core.adjusted_flows import (
    CoreMarket,
    core_market,
    filtered_flows,
    last_known,
)
from studio_pipeline.forecasting.core.filter_states import FilterStates, project
from studio_pipeline.forecasting.core.flow_terms import FlowTerms, OriginStock, flow_terms
from studio_pipeline.forecasting.core.parameters import CoreParameters
from studio_pipeline.forecasting.core.simulation import CorePaths, simulate_terms
from studio_pipeline.forecasting.responses.responses import RowResponses
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel


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
    # market of the larger panel that the studios belong to; None if they are the whole panel
    market: CoreMarket | None = None


def core_states(
    panel: StudioPanel,
    parameters: CoreParameters,
    assume_typical: bool = False,
    market: CoreMarket | None = None,
) -> CoreStates:
    """Filter every flow of a panel under fitted parameters.

    Args:
        assume_typical: use the type's level for a flow that a studio lacks; else the level is NaN.
        market: market of the larger panel that the studios belong to, up to the same month; estimated from
            the studios if not given.
    """
    types = parameters.types_of(panel.studio_types)
    responses = parameters.responses.rows(panel.studio_ids.tolist())
    markets = None if market is None else market.flows
    flows = dict(filtered_flows(panel, parameters, types, responses, markets))
    if assume_typical:
        flows = {name: _with_typical(s, parameters.flows[name].type_mean[types]) for name, s in flows.items()}
    planned = parameters.planning.planned(panel.values["class_attendance_rate"])
    capacity = last_known(panel.values["class_capacity"])
    return CoreStates(parameters, panel, types, capacity, flows, planned, responses, market)


def _with_typical(states: FilterStates, type_mean: FloatArray) -> FilterStates:
    """States with unknown levels replaced by (S,) type means."""
    return replace(states, level=np.where(np.isnan(states.level), type_mean[:, None], states.level))


def project_flows(
    states: CoreStates, rows: IntArray, columns: IntArray, horizon_months: int
) -> dict[str, FloatArray]:
    """Flow name to its (N, H) projection from N origins, without responses; NaN for a flow without data."""
    first = states.panel.calendar_months[0]
    target = (first + columns[:, None] + np.arange(1, horizon_months + 1)) % 12
    unknown = np.full(target.shape, np.nan)
    projected = dict.fromkeys(FLOW_LINKS, unknown)
    types = states.types[rows, None]
    for name, flow in states.flows.items():
        fitted = states.parameters.flows[name]
        season_path = fitted.season[types, target]
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
    """Project N studios from N origins with some levers given."""
    flows = project_flows(states, rows, columns, horizon_months)
    return simulate_flows(states, flows, rows, columns, levers or {})


def simulate_flows(
    states: CoreStates,
    flows: Mapping[str, FloatArray],
    rows: IntArray,
    columns: IntArray,
    levers: Mapping[str, FloatArray],
) -> CorePaths:
    """Simulate members and revenue from projected flows of N origins, with some levers given."""
    return simulate_terms(origin_terms(states, flows, rows, columns), levers)


def origin_terms(
    states: CoreStates, flows: Mapping[str, FloatArray], rows: IntArray, columns: IntArray
) -> FlowTerms:
    """Build the terms of projections from N origins."""
    origin = OriginStock(
        states.panel.values["total_members"][rows, columns],
        states.class_capacity[rows, columns],
        states.panel.values["class_attendance_rate"][rows, columns],
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
