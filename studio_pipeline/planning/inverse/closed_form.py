"""Closed form of a plan's revenue, and the responses of retention and new members to its levers.

    members  = members before x retention + new members
    revenue  = members x (ticket x realisation + retail + upsell + other) + class packs

The ensemble's correction is one factor a month, measured at a nearby plan. The search for plans uses this
form and its derivatives; the revenue of the plan itself always comes from the forecaster.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from studio_pipeline.forecasting.base.flows import RATE_MARGIN
from studio_pipeline.forecasting.core.flow_terms import SLOPES, FlowTerms
from studio_pipeline.forecasting.forecaster.projection import StudioOrigin
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.inverse.queries import TargetKind
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET, UPSELL

_JOINERS_OFFSET = 0.5
_LEAST_PRICE_SHARE = 0.01


@dataclass(frozen=True)
class PlanRevenue:
    """Revenue of one studio over h months as a function of the levers."""

    first_members: float  # members before the first month; NaN if members don't follow from flows
    member_levels: FloatArray  # (h,) members in that case
    by_ticket: FloatArray  # (h,) revenue of a member per unit of the ticket
    by_upsell: FloatArray  # (h,) revenue of a member per unit of the upsell rate
    by_member: FloatArray  # (h,) other revenue of a member
    by_seat: FloatArray  # (h,) revenue per attendance rate times classes
    counted: FloatArray  # (h,) weight of each month in the target: the ensemble's factor, or 0

    def members(self, x: FloatArray) -> FloatArray:
        """(h, N) members at each month's end under (7, N) plans."""
        if not np.isfinite(self.first_members):
            return np.repeat(self.member_levels[:, None], x.shape[1], 1)
        found = np.empty((len(self.counted), x.shape[1]))
        members: FloatArray | float = self.first_members
        for month in range(len(found)):
            members = found[month] = members * x[RETENTION] + x[NEW]
        return found

    def revenue(self, x: FloatArray) -> FloatArray:
        """(N,) revenue of (7, N) plans."""
        return self.slopes(x)[0]

    def by_month(self, x: FloatArray) -> FloatArray:
        """(N, h) revenue of (7, N) plans by month, without the weights of `counted`."""
        members = self.members(x).T
        per_member = x[TICKET][:, None] * self.by_ticket + x[UPSELL][:, None] * self.by_upsell
        seats = (x[ATTENDANCE] * x[CLASSES])[:, None]
        return np.asarray(members * (per_member + self.by_member) + seats * self.by_seat)

    def slopes(self, x: FloatArray) -> tuple[FloatArray, dict[int, FloatArray]]:
        """(N,) revenue of (7, N) plans, and by lever index its (N,) change per unit of the lever alone."""
        has_flows = np.isfinite(self.first_members)
        members: FloatArray | float = self.first_members
        by_retention: FloatArray | float = 0.0
        revenue, retention, ticket, upsell = np.zeros((4, x.shape[1]))
        seat = float(self.counted @ self.by_seat)
        for month, counted in enumerate(self.counted.tolist()):
            if has_flows:
                by_retention = members + x[RETENTION] * by_retention
                members = members * x[RETENTION] + x[NEW]
            else:
                members = float(self.member_levels[month])
            if counted:
                a, b, c = (counted * part[month] for part in (self.by_ticket, self.by_upsell, self.by_member))
                per_member = a * x[TICKET] + b * x[UPSELL] + c
                revenue = revenue + members * per_member
                retention = retention + by_retention * per_member
                ticket, upsell = ticket + a * members, upsell + b * members
        attendance = seat * x[CLASSES]
        slopes = {RETENTION: retention, TICKET: ticket, ATTENDANCE: attendance, UPSELL: upsell}
        return revenue + attendance * x[ATTENDANCE], {**slopes, STAFF: np.zeros(x.shape[1])}

    def measured_at(self, x: FloatArray, by_month: FloatArray, target: FloatArray) -> PlanRevenue:
        """A copy with the ensemble's factors measured at one plan.

        Args:
            x: (7, 1) the plan.
            by_month: (h,) its revenue by the forecaster, currency.
            target: (h,) 1 for the months that count, else 0.
        """
        plain = self.by_month(x)[0]
        factor = np.divide(by_month, plain, out=np.ones_like(plain), where=plain > 0)
        return replace(self, counted=target * factor)


def plan_revenue(origin: StudioOrigin, first_members: float, months: int, kind: TargetKind) -> PlanRevenue:
    """Closed form of a studio's revenue over the target's months, with ensemble factors of 1."""
    paths = {name: values[0, :months] for name, values in origin.terms.paths.items()}
    carried = set(origin.carried)
    by_member = paths["retail_yield"] + paths["other_yield"]
    by_upsell = paths["upsell_yield"]
    if "upsell_rate" not in carried:
        by_member, by_upsell = by_member + by_upsell * paths["upsell_rate"], np.zeros(months)
    by_seat = paths["pack_yield"] * origin.usual("class_capacity")
    if "class_attendance_rate" not in carried or not np.isfinite(by_seat).all():
        by_member, by_seat = by_member + paths["pack_yield"], np.zeros(months)
    start = first_members if "retention_rate" in carried else math.nan
    yields = (paths["realisation"], by_upsell, by_member, by_seat)
    return PlanRevenue(start, paths["members"], *yields, counted=target_months(months, kind))


def target_months(months: int, kind: TargetKind) -> FloatArray:
    """(months,) 1 for the months that count towards a target, else 0."""
    counted = np.ones(months)
    if kind == "month":
        counted[:-1] = 0.0
    return counted


@dataclass(frozen=True)
class FlowSlopes:
    """Response slopes of one flow, on its scale, per unit of the log price and of the rates."""

    price: float
    fullness: float
    crowding: float
    overwork: float


@dataclass(frozen=True)
class PlanResponses:
    """Responses of one studio's retention and new members to changes from the present levers."""

    present: FloatArray  # (7,) present levers, at which the responses are 0
    retention: FlowSlopes  # slopes of the log odds of retention
    acquisition: FlowSlopes  # slopes of the log of new members
    comfortable_attendance: float  # attendance rate above which crowding begins
    comfortable_utilization: float  # staff utilisation above which overwork begins

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
        """(N,) derivatives of `retention_rate` by the ticket, attendance and utilisation, by lever index."""
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
        """(N,) change from the present on the flow's scale."""
        now = self.present
        total = slopes.price * np.log(self._price(x[TICKET]) / max(float(now[TICKET]), self._least_price))
        total = total + slopes.fullness * (x[ATTENDANCE] - now[ATTENDANCE])
        if slopes.crowding:
            crowded = _above(x[ATTENDANCE], now[ATTENDANCE], self.comfortable_attendance)
            total = total + slopes.crowding * crowded
        if slopes.overwork:
            worked = _above(x[STAFF], now[STAFF], self.comfortable_utilization)
            total = total + slopes.overwork * worked
        return np.asarray(total)


def plan_responses(terms: FlowTerms, present: FloatArray) -> PlanResponses:
    """Responses from the terms of one projection, relative to (7,) present levers."""
    slopes = dict(zip(SLOPES, terms.slopes[0].tolist(), strict=True))
    retention, acquisition = (
        FlowSlopes(*(slopes[f"{flow}_{name}"] for name in ("price", "fullness", "crowding", "overwork")))
        for flow in ("retention", "acquisition")
    )
    comfort = slopes["comfortable_attendance"], slopes["comfortable_utilization"]
    return PlanResponses(present, retention, acquisition, *comfort)


def _logistic(odds: FloatArray | float) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.asarray(odds))))


def _above(values: FloatArray, now: float, comfortable: float) -> FloatArray:
    return np.maximum(values - comfortable, 0.0) - max(now - comfortable, 0.0)
