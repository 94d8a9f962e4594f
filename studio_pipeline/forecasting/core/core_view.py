"""Core projection of one origin with and without seasons: the input of a revenue bridge.

The bridge itself is in `planning`; projections of many origins are in `states`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.bounds import START_LEVER
from studio_pipeline.forecasting.base.flows import FLOW_LINKS
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.core.filter_states import own_season_ahead
from studio_pipeline.forecasting.core.flow_terms import START, FlowTerms
from studio_pipeline.forecasting.core.simulation import simulate_terms
from studio_pipeline.forecasting.core.states import CoreStates, origin_terms, project_flows
from studio_pipeline.panel.arrays import FloatArray

_HELD_STOCK = {"retention_rate": np.ones((1, 1)), "new_members_monthly": np.zeros((1, 1))}


@dataclass(frozen=True)
class MemberMonths:
    """Months of one studio as members and revenue per member; (H,) each, NaN where unknown."""

    revenue: FloatArray  # currency
    members: FloatArray  # at each month's end
    retention_rate: FloatArray  # 0..1
    new_members: FloatArray  # in each month
    churned_members: FloatArray  # in each month
    price: FloatArray  # membership revenue per member, currency
    mix: FloatArray  # all other revenue per member, currency


@dataclass(frozen=True)
class CoreView:
    """Base month and projected months of the core, with and without seasons."""

    ahead: MemberMonths  # the months after the base month, under the levers
    ahead_without_season: MemberMonths  # `ahead` with every flow's season set to 0
    now: MemberMonths  # the base month's filtered values, with its actual members
    now_without_season: MemberMonths  # `now` with every flow's season set to 0


def core_view(states: CoreStates, row: int, column: int, levers: Mapping[str, FloatArray]) -> CoreView:
    """Compute the view of one origin. `states`: states of the panel that contains the origin."""
    origin = Origins(np.array([row]), np.array([column]))
    ahead, now = project_flows(states, origin), _usual_flows(states, origin)
    seasons = _seasons(states, origin)

    def months(flows: Mapping[str, FloatArray], held: Mapping[str, FloatArray]) -> MemberMonths:
        return member_months(origin_terms(states, flows, origin), held)

    return CoreView(
        months(ahead, levers),
        months({name: flow - seasons[name][:, 1:] for name, flow in ahead.items()}, levers),
        months({name: flow + seasons[name][:, :1] for name, flow in now.items()}, _HELD_STOCK),
        months(now, _HELD_STOCK),
    )


def member_months(terms: FlowTerms, levers: Mapping[str, FloatArray]) -> MemberMonths:
    """Simulate the months of one origin's terms under levers."""
    paths = simulate_terms(terms, levers)
    revenue, members, retention = paths.revenue[0], paths.members[0], paths.retention_rate[0]
    start = levers[START_LEVER][0, 0] if START_LEVER in levers else terms.start[0, START.index("members")]
    before = np.concatenate([[start], members[:-1]])
    price = paths.avg_ticket_price[0] * terms.paths["realisation"][0]
    per_member = np.divide(revenue, members, out=np.full_like(revenue, np.nan), where=members > 0)
    return MemberMonths(
        revenue, members, retention, paths.new_members[0], before * (1 - retention), price, per_member - price
    )


def _usual_flows(states: CoreStates, origins: Origins) -> dict[str, FloatArray]:
    """Flow name to its (N, 1) filtered value in N base months, without seasons and responses."""
    rows, columns = origins.rows, origins.columns
    unknown = np.full((len(rows), 1), np.nan)
    found = dict.fromkeys(FLOW_LINKS, unknown)
    for name, flow in states.flows.items():
        usual = flow.level[0, rows, columns] + flow.deviation[0, rows, columns] + flow.common[0, columns]
        found[name] = usual[:, None] + states.parameters.flows[name].mean_shift
    months = states.panel.month_numbers[columns, None]
    found["ticket"] = found["ticket"] + states.responses.pool.market_price(months)
    found["classes"] = found["classes"] + states.planned_classes[rows, columns, None]
    return found


def _seasons(states: CoreStates, origins: Origins) -> dict[str, FloatArray]:
    """Flow name to its (N, 1 + 12) season in N base months and the months after them, on the flow's scale."""
    rows, columns = origins.rows, origins.columns
    months = np.arange(MAX_HORIZON_MONTHS + 1)
    calendar = (states.panel.calendar_months[0] + columns[:, None] + months) % 12
    found = dict.fromkeys(FLOW_LINKS, np.zeros(calendar.shape))
    for name, flow in states.flows.items():
        of_type = np.take_along_axis(states.parameters.flows[name].season[states.types[rows]], calendar, 1)
        ahead = own_season_ahead(flow, rows, columns, months[1:])
        own = np.column_stack([flow.own_season[0, rows, columns], ahead])
        season = flow.amplitude[0, rows, columns, None] * of_type + own
        found[name] = np.where(np.isfinite(season), season, 0.0)
    return found
