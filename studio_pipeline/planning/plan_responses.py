"""What retention and new members become by themselves when the price, attendance or staff's work changes: the
model's own responses, from the studio's present on.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from studio_pipeline.forecasting.flow_terms import SLOPES, FlowTerms
from studio_pipeline.forecasting.flows import RATE_MARGIN
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.levers import ATTENDANCE, NEW, RETENTION, STAFF, TICKET

_JOINERS_OFFSET = 0.5
_LEAST_PRICE_SHARE = 0.01


@dataclass(frozen=True)
class FlowSlopes:
    """How one flow responds, on its scale, per unit of the log of the price and of the rates."""

    price: float
    fullness: float
    crowding: float
    overwork: float


@dataclass(frozen=True)
class PlanResponses:
    """Responses of one studio's members, attendance held.

    Attributes:
        present: (7,) levers as they are; nothing responds to what doesn't change.
        retention: how its log odds respond.
        acquisition: how the log of new members responds.
        comfortable_attendance: above it classes are crowded.
        comfortable_utilization: above it staff are overworked.
    """

    present: FloatArray
    retention: FlowSlopes
    acquisition: FlowSlopes
    comfortable_attendance: float
    comfortable_utilization: float

    def retention_rate(self, x: FloatArray) -> FloatArray:
        """(N,) retention without any effort under (7, N) plans; 0..1."""
        moved = _logistic(self._odds + self._change(self.retention, x)) - _logistic(self._odds)
        return np.asarray(np.minimum(np.maximum(self.present[RETENTION] + moved, 0.0), 1.0))

    def new_members(self, x: FloatArray) -> FloatArray:
        """(N,) new members a month without any effort under (7, N) plans; fractions, at least 0."""
        amount = self.present[NEW] + _JOINERS_OFFSET
        moved = amount * np.expm1(self._change(self.acquisition, x))
        return np.asarray(np.maximum(self.present[NEW] + moved, 0.0))

    def retention_slopes(self, x: FloatArray) -> dict[int, FloatArray]:
        """What `retention_rate` gains per unit of the ticket, of attendance and of utilisation: (N,) each."""
        rate = _logistic(self._odds + self._change(self.retention, x))
        steep, slopes = rate * (1 - rate), self.retention
        crowded = x[ATTENDANCE] >= self.comfortable_attendance
        overworked = x[STAFF] >= self.comfortable_utilization
        return {
            TICKET: steep * slopes.price / self._price(x[TICKET]),
            ATTENDANCE: steep * (slopes.fullness + slopes.crowding * crowded),
            STAFF: steep * slopes.overwork * overworked,
        }

    @cached_property
    def _odds(self) -> float:
        rate = min(max(float(self.present[RETENTION]), RATE_MARGIN), 1 - RATE_MARGIN)
        return math.log(rate / (1 - rate))

    @cached_property
    def _least_price(self) -> float:
        return max(_LEAST_PRICE_SHARE * float(self.present[TICKET]), sys.float_info.min)

    def _price(self, ticket: FloatArray) -> FloatArray:
        return np.maximum(ticket, self._least_price)

    def _change(self, slopes: FlowSlopes, x: FloatArray) -> FloatArray:
        """(N,) on the flow's scale, against the present."""
        now = self.present
        total = slopes.price * np.log(self._price(x[TICKET]) / max(float(now[TICKET]), self._least_price))
        total = total + slopes.fullness * (x[ATTENDANCE] - now[ATTENDANCE])
        if slopes.crowding:
            crowded = self._above(x[ATTENDANCE], now[ATTENDANCE], self.comfortable_attendance)
            total = total + slopes.crowding * crowded
        if slopes.overwork:
            worked = self._above(x[STAFF], now[STAFF], self.comfortable_utilization)
            total = total + slopes.overwork * worked
        return np.asarray(total)

    @staticmethod
    def _above(values: FloatArray, now: float, comfortable: float) -> FloatArray:
        return np.maximum(values - comfortable, 0.0) - max(now - comfortable, 0.0)


def plan_responses(terms: FlowTerms, present: FloatArray) -> PlanResponses:
    """The responses in one projection's terms, from (7,) present levers on."""
    slopes = dict(zip(SLOPES, terms.slopes[0].tolist(), strict=True))
    retention, acquisition = (
        FlowSlopes(*(slopes[f"{flow}_{name}"] for name in ("price", "fullness", "crowding", "overwork")))
        for flow in ("retention", "acquisition")
    )
    return PlanResponses(
        present,
        retention,
        acquisition,
        slopes["comfortable_attendance"],
        slopes["comfortable_utilization"],
    )


def _logistic(odds: FloatArray | float) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.asarray(odds))))
