"""From a question to the problem that its plan solves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.bounds import START_LEVER
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.studio_origin import StudioOrigin
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.planning.levers import NEW, RETENTION, TICKET
from studio_pipeline.planning.plan_capacity import plan_capacity
from studio_pipeline.planning.plan_configuration import PlanningConfiguration
from studio_pipeline.planning.plan_limits import PlanRanges, plan_ranges, relative_weights, unit_costs
from studio_pipeline.planning.plan_problem import PlanProblem
from studio_pipeline.planning.plan_queries import PlanQuery
from studio_pipeline.planning.plan_responses import plan_responses
from studio_pipeline.planning.plan_revenue import plan_revenue, target_months
from studio_pipeline.planning.present import present_levers

_STAFF_COLUMN = "staff_count"


@dataclass(frozen=True)
class PlanSetup:
    """A question made ready.

    Attributes:
        query: as asked.
        origin: the studio at its base month.
        present: lever to its present value, of those that the data carry.
        ranges: between what a plan may choose.
        costs: (7,) of one unit of effort for a month, currency.
        problem: to solve.
    """

    query: PlanQuery
    origin: StudioOrigin
    present: Mapping[str, float]
    ranges: PlanRanges
    costs: FloatArray
    problem: PlanProblem

    @property
    def target(self) -> FloatArray:
        """(h,) 1 for the months that the target counts."""
        return target_months(self.query.target_months, self.query.target_kind)

    def levers(self, plan: FloatArray) -> dict[str, float]:
        """The levers of a (7,) plan that the data carry, with the member count that they start from."""
        places = dict(zip(HELD_LEVERS, plan.tolist(), strict=True))
        return {lever: places.get(lever, value) for lever, value in self.present.items()}

    def revenue_by_month(self, x: FloatArray) -> FloatArray:
        """(N, h) what the forecaster says that (7, N) plans earn."""
        held = {lever: x[place] for place, lever in enumerate(HELD_LEVERS) if lever in self.present}
        if START_LEVER in self.present:
            held[START_LEVER] = np.full(x.shape[1], self.present[START_LEVER])
        return self.origin.revenue_under(held, self.query.target_months)

    def revenue(self, x: FloatArray) -> FloatArray:
        """(N,) of the target's months."""
        return np.asarray(self.revenue_by_month(x) @ self.target)

    def measured_at(self, plan: FloatArray) -> PlanSetup:
        """The same with the closed form as the forecaster sees it at a (7,) plan."""
        x = plan[:, None]
        revenue = self.problem.revenue.measured_at(x, self.revenue_by_month(x)[0], self.target)
        return replace(self, problem=replace(self.problem, revenue=revenue))


def plan_setup(
    origin: StudioOrigin, panel: StudioPanel, query: PlanQuery, configuration: PlanningConfiguration
) -> PlanSetup:
    """The question made ready, the closed form measured at the present.

    Raises:
        LeverError: as of `present_levers`.
    """
    present = present_levers(origin, panel, query.studio_id, query.current_state)
    ranges = plan_ranges(present, query, configuration, origin.shown, held_levers(origin, query))
    costs = unit_costs(present, query, configuration)
    now = np.array([present.get(lever, 0.0) for lever in HELD_LEVERS])
    known = np.array([present.get(lever, np.nan) for lever in HELD_LEVERS])
    members = present.get(START_LEVER, float(origin.usual("members")))
    revenue = plan_revenue(origin, members, query.target_months, query.target_kind)
    peak = float(revenue.members(now[:, None]).max())
    capacity = plan_capacity(origin, known, members, peak, _knows_staff(origin, panel, query))
    high = ranges.high.copy()
    # Where retention may not fall, members bear no more than this.
    most_ticket = capacity.most_ticket(float(ranges.low[RETENTION]), float(high[TICKET]))
    high[TICKET] = max(most_ticket, now[TICKET])
    problem = PlanProblem(
        present=now,
        low=ranges.low,
        high=high,
        weights=costs if query.is_least_cost else relative_weights(present),
        revenue=revenue,
        responses=plan_responses(origin.terms, now),
        capacity=capacity,
        target=round(query.target_revenue, 2),
    )
    return PlanSetup(query, origin, present, ranges, costs, problem).measured_at(now)


def held_levers(origin: StudioOrigin, query: PlanQuery) -> frozenset[str]:
    """The frozen levers, and the price where nobody can say what a higher one costs."""
    return query.frozen_levers if follows_flows(origin) else query.frozen_levers | {"avg_ticket_price"}


def follows_flows(origin: StudioOrigin) -> bool:
    """Whether members follow from retention and new members, so that they respond."""
    return {HELD_LEVERS[RETENTION], HELD_LEVERS[NEW]} <= set(origin.carried)


def _knows_staff(origin: StudioOrigin, panel: StudioPanel, query: PlanQuery) -> bool:
    if not origin.history_months:
        return False
    row, column = panel.rows[query.studio_id], panel.column_of(origin.base_month)
    return bool(np.isfinite(panel.values[_STAFF_COLUMN][row, : column + 1]).any())
