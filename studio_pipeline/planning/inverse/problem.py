"""The optimisation problem of a plan: levers between limits, tied by responses and capacity, at a cost.

Plans are (7, N) arrays, a row for each of `HELD_LEVERS`. A lever that the data don't carry stands at a place
where it does nothing, and stays there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, FloatArray
from studio_pipeline.planning.inverse.closed_form import PlanResponses, PlanRevenue
from studio_pipeline.planning.inverse.limits import PlanCapacity
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET

SLACK = 1e-9
"""Rounding that limits are checked to, relative."""

NO_EFFORT = 1e-6
"""Points of retention above its response that cost nothing."""

_SEAT_STEPS = 4


@dataclass(frozen=True)
class PlanProblem:
    """Least burden for a target.

    Attributes:
        present: (7,) levers as they are.
        low: (7,) lowest values.
        high: (7,) highest values.
        weights: (7,) burden of one unit of change, of effort for levers that respond.
        revenue: of plans.
        responses: of retention and new members.
        capacity: of the studio.
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
        """The nearest plans that keep every limit, (7, N), and for which of them there are any, (N,).

        Retention and new members are never below their response, limits allowing: nobody plans to lose more.
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
        """Classes, the staff that hold them and the members who come, brought together; where they can't be
        is False.
        """
        capacity = self.capacity
        low, high = self.low[:, None], self.high[:, None]
        classes = y[CLASSES]
        # A hair of slack, or rounding would move what stays at its present.
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
        """Where members find seats in every month; retention comes down to that where it may."""
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
        """Whole numbers between the limits, except where a lever stays what it is."""
        now, low, high = self.present[place], np.ceil(self.low[place]), np.floor(self.high[place])
        stays = (np.abs(values - now) < SLACK) | (self.low[place] == self.high[place])
        return np.asarray(np.where(stays, now, np.minimum(np.maximum(np.rint(values), low), high)))

    def _whole_below(self, new_members: FloatArray) -> FloatArray:
        stays = np.abs(new_members - self.present[NEW]) < SLACK
        return np.where(stays, self.present[NEW], np.floor(new_members + SLACK))

    def efforts(self, x: FloatArray) -> FloatArray:
        """(7, N) what is paid for: how far levers move, and how far retention and new members are held above
        their response. A millionth of a rate, to which plans are rounded, is nobody's effort.
        """
        efforts = np.abs(x - self.present[:, None])
        efforts[RETENTION] = np.maximum(x[RETENTION] - self.responses.retention_rate(x) - NO_EFFORT, 0.0)
        efforts[NEW] = np.maximum(x[NEW] - self.responses.new_members(x), 0.0)
        return efforts

    def burden(self, x: FloatArray) -> FloatArray:
        """(N,) of plans, a month."""
        return np.asarray(self.weights @ self.efforts(x))
