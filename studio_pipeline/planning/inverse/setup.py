"""Optimisation problem of a plan, and its setup from a query and the studio's present.

Plans are (7, N) arrays, one row for each of `HELD_LEVERS`. A lever that the data don't carry is held at a
value at which it has no effect. Problems are built here and solved in `search`.

`PlanSetup` also evaluates plans with the forecaster and measures the ensemble's factors of the closed form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, START_LEVER, check_levers
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.forecaster.projection import StudioOrigin
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.closed_form import (
    PlanResponses,
    PlanRevenue,
    plan_responses,
    plan_revenue,
    target_months,
)
from studio_pipeline.planning.inverse.limits import (
    PlanCapacity,
    PlanRanges,
    plan_capacity,
    plan_ranges,
    relative_weights,
    unit_costs,
)
from studio_pipeline.planning.inverse.queries import PlanQuery
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET, WHOLE

SLACK = 1e-9
"""Relative tolerance of limits."""

NO_EFFORT = 1e-6
"""Retention above its response that costs nothing: the resolution to which plans are rounded."""

_SEAT_STEPS = 4


@dataclass(frozen=True)
class PlanProblem:
    """Minimise the burden of a plan that reaches a target; (7,) arrays are in the order of `HELD_LEVERS`."""

    present: FloatArray
    low: FloatArray  # (7,) lowest values
    high: FloatArray  # (7,) highest values
    weights: FloatArray  # (7,) burden per unit of change, or of effort for levers that respond
    revenue: PlanRevenue
    responses: PlanResponses
    capacity: PlanCapacity  # limits that tie levers together
    target: float  # revenue to reach, currency

    def settled(self, x: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Projects (7, N) plans onto the limits; also returns (N,) True where all of them could be kept.

        Retention and new members are raised to their response where the limits allow it: a plan doesn't lower
        them further.
        """
        low, high, capacity = self.low[:, None], self.high[:, None], self.capacity
        y = np.minimum(np.maximum(x, low), high)
        y[CLASSES] = self.whole(CLASSES, y[CLASSES])
        possible = self._settle_classes(y)
        y[NEW] = self.whole(NEW, y[NEW])
        most_new = np.minimum(high[NEW], capacity.most_new_members(y[TICKET]))
        expected = self.responses.new_members(y)
        stays = np.abs(expected - self.present[NEW]) < SLACK
        least_new = np.minimum(np.where(stays, self.present[NEW], np.floor(expected + SLACK)), most_new)
        y[NEW] = np.minimum(np.maximum(y[NEW], least_new), most_new)
        most = np.minimum(high[RETENTION], capacity.most_retention(y[TICKET]))
        least = np.maximum(low[RETENTION], np.minimum(self.responses.retention_rate(y), most))
        possible &= (least <= most + SLACK) & (y[NEW] >= low[NEW] - SLACK)
        y[RETENTION] = np.minimum(np.maximum(y[RETENTION], least), most)
        return y, possible & self._seated(y, least)

    def _settle_classes(self, y: FloatArray) -> BoolArray:
        """Adjusts staff utilisation and attendance to the classes in place; (N,) True where possible."""
        capacity = self.capacity
        low, high = self.low[:, None], self.high[:, None]
        classes = y[CLASSES]
        # Without slack, rounding would move levers that stay at their present.
        staff_low = np.maximum(low[STAFF], classes / (capacity.most_work * (1 + SLACK)))
        staff_high = np.broadcast_to(high[STAFF], classes.shape)
        if capacity.least_work > 0:
            staff_high = np.minimum(staff_high, classes * (1 + SLACK) / capacity.least_work)
        y[STAFF] = np.minimum(np.maximum(y[STAFF], staff_low), np.maximum(staff_low, staff_high))
        possible = staff_low <= staff_high * (1 + SLACK)
        if np.isfinite(capacity.most_attended):
            most = capacity.most_attended * (1 + SLACK) / np.maximum(classes, SLACK)
            possible &= low[ATTENDANCE] <= most * (1 + SLACK)
            y[ATTENDANCE] = np.maximum(np.minimum(y[ATTENDANCE], most), low[ATTENDANCE])
        return np.asarray(possible)

    def _seated(self, y: FloatArray, least_retention: FloatArray) -> BoolArray:
        """(N,) True where members have seats in every month; retention is lowered in place for that, down to
        its least value.
        """
        if not np.isfinite(self.capacity.most_members):
            return np.ones(y.shape[1], dtype=bool)
        most = self.capacity.most_members * y[CLASSES] * (1 + SLACK)
        peak = self.revenue.members(y).max(0)
        crowded = np.flatnonzero(peak > most)
        for _ in range(_SEAT_STEPS if crowded.size else 0):
            some, step = y[:, crowded].copy(), 1e-6
            members = self.revenue.members(some)
            some[RETENTION] -= step
            slope = (members - self.revenue.members(some)).max(0) / step
            over = (members.max(0) - most[crowded]) / np.maximum(slope, SLACK)
            lowered = y[RETENTION, crowded] - np.maximum(over, 0.0) * (1 + SLACK)
            y[RETENTION, crowded] = np.maximum(lowered, least_retention[crowded])
        if crowded.size:
            peak[crowded] = self.revenue.members(y[:, crowded]).max(0)
        return np.asarray(peak <= most * (1 + SLACK))

    def whole(self, place: int, values: FloatArray) -> FloatArray:
        """Rounds a lever to whole numbers between its limits, unless it stays at its present."""
        now, low, high = self.present[place], np.ceil(self.low[place]), np.floor(self.high[place])
        stays = (np.abs(values - now) < SLACK) | (self.low[place] == self.high[place])
        return np.asarray(np.where(stays, now, np.minimum(np.maximum(np.rint(values), low), high)))

    def efforts(self, x: FloatArray) -> FloatArray:
        """(7, N) effort by lever: the size of its change; for retention and new members, the amount above
        their response. `NO_EFFORT` is subtracted from retention, as plans are rounded to that.
        """
        efforts = np.abs(x - self.present[:, None])
        efforts[RETENTION] = np.maximum(x[RETENTION] - self.responses.retention_rate(x) - NO_EFFORT, 0.0)
        efforts[NEW] = np.maximum(x[NEW] - self.responses.new_members(x), 0.0)
        return efforts

    def burden(self, x: FloatArray) -> FloatArray:
        """(N,) weighted effort of (7, N) plans, a month."""
        return np.asarray(self.weights @ self.efforts(x))


PRESENT_MONTHS = 3
_WHOLE_LEVERS = tuple(HELD_LEVERS[place] for place in WHOLE)


def present_levers(
    origin: StudioOrigin, panel: StudioPanel, studio_id: str, stated: Mapping[str, float]
) -> dict[str, float]:
    """Present value of each lever that the studio's data carry.

    It is the stated one, else the mean of the known values in the last three months, else the last known
    value; the member count is that of the base month. Whole-number levers are rounded.

    Raises:
        LeverError: a stated lever is out of bounds or not carried by the data, or the data carry no lever
            that could be planned.
    """
    check_levers(stated, origin.shown, "current_state")
    if not origin.history_months:
        return {lever: stated[lever] for lever in LEVER_BOUNDS}
    if START_LEVER not in origin.shown:
        raise LeverError(
            f"No plan can be made for studio {studio_id!r}: its data have no total_members, so that no lever "
            "is known to change its revenue.",
            "Import months that have members, and better also retention_rate and new_members.",
        )
    if not_carried := [lever for lever in stated if lever not in origin.carried]:
        raise LeverError(
            f"current_state: the data of studio {studio_id!r} can't carry {', '.join(not_carried)}.",
            "Leave these out, or import months that have their columns.",
        )
    row, column = panel.rows[studio_id], panel.column_of(origin.base_month)
    recent = {
        lever: _recent(lever, panel.values[LEVER_COLUMNS[lever]][row, : column + 1])
        for lever in origin.carried
    }
    return {lever: stated.get(lever, recent[lever]) for lever in LEVER_BOUNDS if lever in recent}


def _recent(lever: str, values: FloatArray) -> float:
    """Present value from all values up to the base month, of which at least one is known."""
    known = values[np.isfinite(values)]
    last = values[-1:] if lever == START_LEVER else values[-PRESENT_MONTHS:]
    last = last[np.isfinite(last)]
    value = float(last.mean()) if last.size else float(known[-1])
    return float(math.floor(value + 0.5)) if lever in _WHOLE_LEVERS else value


@dataclass(frozen=True)
class PlanSetup:
    """A query with all that is needed to solve it."""

    query: PlanQuery
    origin: StudioOrigin
    present: Mapping[str, float]  # lever to its present value, for levers that the data carry
    ranges: PlanRanges
    costs: FloatArray  # (7,) cost of one unit of effort for a month, currency
    problem: PlanProblem

    @property
    def target(self) -> FloatArray:
        """(h,) 1 for the months that count towards the target, else 0."""
        return target_months(self.query.target_months, self.query.target_kind)

    def levers(self, plan: FloatArray) -> dict[str, float]:
        """Lever to its value in a (7,) plan, for carried levers, with the present member count."""
        places = dict(zip(HELD_LEVERS, plan.tolist(), strict=True))
        return {lever: places.get(lever, value) for lever, value in self.present.items()}

    def revenue_by_month(self, x: FloatArray) -> FloatArray:
        """(N, h) revenue of (7, N) plans by month, by the forecaster, currency."""
        held = {lever: x[place] for place, lever in enumerate(HELD_LEVERS) if lever in self.present}
        if START_LEVER in self.present:
            held[START_LEVER] = np.full(x.shape[1], self.present[START_LEVER])
        return self.origin.revenue_under(held, self.query.target_months)

    def revenue(self, x: FloatArray) -> FloatArray:
        """(N,) revenue of (7, N) plans in the target's months, by the forecaster, currency."""
        return np.asarray(self.revenue_by_month(x) @ self.target)

    def measured_at(self, plan: FloatArray) -> PlanSetup:
        """A copy whose closed form equals the forecaster's revenue at a (7,) plan."""
        x = plan[:, None]
        revenue = self.problem.revenue.measured_at(x, self.revenue_by_month(x)[0], self.target)
        return replace(self, problem=replace(self.problem, revenue=revenue))


def plan_setup(
    origin: StudioOrigin, panel: StudioPanel, query: PlanQuery, configuration: PlanningConfig
) -> PlanSetup:
    """Builds the problem of a query, with the closed form measured at the present levers."""
    present = present_levers(origin, panel, query.studio_id, query.current_state)
    # Data without flows can't show how many members a higher price costs.
    held = query.frozen_levers | (set() if follows_flows(origin) else {"avg_ticket_price"})
    ranges = plan_ranges(present, query, configuration, origin.shown, held)
    costs = unit_costs(present, query, configuration)
    now = np.array([present.get(lever, 0.0) for lever in HELD_LEVERS])
    known = np.array([present.get(lever, np.nan) for lever in HELD_LEVERS])
    members = present.get(START_LEVER, float(origin.usual("members")))
    revenue = plan_revenue(origin, members, query.target_months, query.target_kind)
    peak = float(revenue.members(now[:, None]).max())
    has_staff = False
    if origin.history_months:
        row, column = panel.rows[query.studio_id], panel.column_of(origin.base_month)
        has_staff = bool(np.isfinite(panel.values["staff_count"][row, : column + 1]).any())
    capacity = plan_capacity(origin, known, members, peak, has_staff)
    high = ranges.high.copy()
    # A higher price would push retention below its lower limit.
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


def follows_flows(origin: StudioOrigin) -> bool:
    """Return True if members follow from retention and new members, so that they respond to levers."""
    return {HELD_LEVERS[RETENTION], HELD_LEVERS[NEW]} <= set(origin.carried)
