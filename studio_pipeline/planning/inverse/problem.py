"""Optimisation problem of a plan: levers between limits, tied by responses and capacity, at a cost.

Plans are (7, N) arrays, one row for each of `HELD_LEVERS`. A lever that the data don't carry is held at a
value at which it has no effect. Problems are built in `setup` and solved in `search`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, FloatArray
from studio_pipeline.planning.inverse.closed_form import PlanResponses, PlanRevenue
from studio_pipeline.planning.inverse.limits import PlanCapacity
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET

SLACK = 1e-9
"""Relative tolerance of limits."""

NO_EFFORT = 1e-6
"""Retention above its response that costs nothing: the resolution to which plans are rounded."""

_SEAT_STEPS = 4


@dataclass(frozen=True)
class PlanProblem:
    """Minimise the burden of a plan that reaches a target.

    Attributes:
        present: (7,) present levers.
        low: (7,) lowest values.
        high: (7,) highest values.
        weights: (7,) burden per unit of change, or of effort for levers that respond.
        revenue: closed form of the revenue.
        responses: of retention and new members.
        capacity: limits that tie levers together.
        target: revenue to reach, currency.
    """

    present: FloatArray
    low: FloatArray
    high: FloatArray
    weights: FloatArray
    revenue: PlanRevenue
    responses: PlanResponses
    capacity: PlanCapacity
    target: float

    def settled(self, x: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Projects plans onto the limits.

        Retention and new members are raised to their response where the limits allow it: a plan doesn't lower
        them further.

        Args:
            x: (7, N) plans.

        Returns:
            (7, N) nearby plans that keep every limit, and (N,) True where that was possible.
        """
        low, high, capacity = self.low[:, None], self.high[:, None], self.capacity
        y = np.minimum(np.maximum(x, low), high)
        y[CLASSES] = self.whole(CLASSES, y[CLASSES])
        possible = self._settle_classes(y)
        y[NEW] = self.whole(NEW, y[NEW])
        most_new = np.minimum(high[NEW], capacity.most_new_members(y[TICKET]))
        least_new = np.minimum(self._whole_below(self.responses.new_members(y)), most_new)
        y[NEW] = np.minimum(np.maximum(y[NEW], least_new), most_new)
        most = np.minimum(high[RETENTION], capacity.most_retention(y[TICKET]))
        least = np.maximum(low[RETENTION], np.minimum(self.responses.retention_rate(y), most))
        possible &= (least <= most + SLACK) & (y[NEW] >= low[NEW] - SLACK)
        y[RETENTION] = np.minimum(np.maximum(y[RETENTION], least), most)
        return y, possible & self._seated(y, least)

    def _settle_classes(self, y: FloatArray) -> BoolArray:
        """Adjusts staff utilisation and attendance to the classes in place.

        Returns:
            (N,) True where that is possible.
        """
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

    def _whole_below(self, new_members: FloatArray) -> FloatArray:
        stays = np.abs(new_members - self.present[NEW]) < SLACK
        return np.where(stays, self.present[NEW], np.floor(new_members + SLACK))

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
