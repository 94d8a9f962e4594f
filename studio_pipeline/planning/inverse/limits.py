"""Limits of a plan: ranges and unit costs of levers, and capacity limits that tie levers together.

Ranges come from the query, the configuration and the levers' bounds. Capacity limits keep a plan below the
thresholds of contradictions in `forecasting.forecaster.warnings`: visits, seats, paid hours, retention at a
price. The optimisation under these limits is in `search`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, START_LEVER, Range, lever_bounds
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.forecaster.projection import StudioOrigin
from studio_pipeline.forecasting.forecaster.warnings import (
    BOLD_PRICE,
    CLEAR_POINTS,
    CLEAR_RISE,
    MOST_VISITS,
    MOST_WORK,
    STANDARD_ERRORS,
)
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.queries import PlanQuery
from studio_pipeline.planning.levers import (
    ATTENDANCE,
    CLASSES,
    DECREASE_LIMITS,
    INCREASE_LIMITS,
    NEW,
    RETENTION,
    STAFF,
    TICKET,
    WHOLE,
)

_SMALLEST_PRESENT = 1e-6
_LIMITS = (*INCREASE_LIMITS.values(), *DECREASE_LIMITS.values())


@dataclass(frozen=True)
class PlanRanges:
    """(7,) ranges of the levers of a plan, in the order of `HELD_LEVERS`."""

    low: FloatArray
    high: FloatArray
    low_names: tuple[str, ...]  # names of the limits that set the lowest values; "" for levers that are held
    high_names: tuple[str, ...]  # the same of the highest values


def check_plan_query(query: PlanQuery) -> None:
    """Refuses an invalid target, limit or cost, and unknown names: a LeverError names the field."""
    if not (math.isfinite(query.target_revenue) and query.target_revenue > 0):
        what = f"target_revenue is {query.target_revenue:g}, but it is above 0."
        raise LeverError(what, "Give the revenue to reach.")
    for field, names, kind, known in (
        ("frozen_levers", query.frozen_levers, "lever ", LEVER_BOUNDS),
        ("lever_costs", query.lever_costs, "lever ", LEVER_BOUNDS),
        ("constraints", query.limits, "", _LIMITS),
    ):
        if unknown := sorted(set(names) - set(known)):
            what = f"{field}: there is no {kind}{', '.join(unknown)}."
            raise LeverError(what, f"The {kind.strip() or 'limit'}s are {', '.join(known)}.")
    amounts = {**query.limits, **{f"lever_costs.{name}": cost for name, cost in query.lever_costs.items()}}
    for name, amount in amounts.items():
        if amount is not None and not (math.isfinite(amount) and amount >= 0):
            raise LeverError(f"{name} is {amount:g}, but it is a number from 0 on.", "Correct it.")


def plan_ranges(
    present: Mapping[str, float],
    query: PlanQuery,
    configuration: PlanningConfig,
    shown: Mapping[str, Range],
    held: frozenset[str],
) -> PlanRanges:
    """Ranges of all levers.

    `shown` are the smallest and largest shown values of levers; `held` levers stay at their present value.
    """
    rows = []
    for place, lever in enumerate(HELD_LEVERS):
        now = present.get(lever, 0.0)
        (low, low_name), (high, high_name) = (now, ""), (now, "")
        if lever in present and lever not in held:
            bounds = lever_bounds(lever, *shown.get(lever, (math.nan, math.nan)))
            most = _stated(INCREASE_LIMITS[lever], place, now, query, configuration)
            least = _stated(DECREASE_LIMITS[lever], place, now, query, configuration)
            low, low_name = max((bounds[0], f"lowest_{lever}"), (now - least, DECREASE_LIMITS[lever]))
            high, high_name = min((bounds[1], f"highest_{lever}"), (now + most, INCREASE_LIMITS[lever]))
        if place in WHOLE:
            low, high = min(math.ceil(low), now), max(math.floor(high), now)
        rows.append((low, high, low_name, high_name))
    lows, highs, low_names, high_names = zip(*rows, strict=True)
    return PlanRanges(np.array(lows, np.float64), np.array(highs, np.float64), low_names, high_names)


def _stated(name: str, place: int, now: float, query: PlanQuery, configuration: PlanningConfig) -> float:
    """Largest change of a lever in one direction; infinite if only its bounds limit it."""
    if name in query.limits:
        amount = query.limits[name]
        return math.inf if amount is None else amount
    amount = getattr(configuration.limits, name)
    if amount is None and place == CLASSES:
        return float(math.floor(configuration.classes_share * now))
    return math.inf if amount is None else float(amount)


def unit_costs(present: Mapping[str, float], query: PlanQuery, configuration: PlanningConfig) -> FloatArray:
    """(7,) cost of one more unit of each lever for a month, currency."""
    ticket, members = present.get("avg_ticket_price", 0.0), present.get(START_LEVER, 0.0)
    scales = np.full(len(HELD_LEVERS), ticket * members)
    scales[TICKET], scales[NEW], scales[CLASSES] = members, ticket, ticket
    costs = []
    for lever, scale in zip(HELD_LEVERS, scales.tolist(), strict=True):
        absolute = query.lever_costs.get(lever, getattr(configuration.lever_costs, lever))
        costs.append(getattr(configuration.cost_shares, lever) * scale if absolute is None else absolute)
    return np.array(costs)


def relative_weights(present: Mapping[str, float]) -> FloatArray:
    """(7,) weights that make the burden of a plan its total relative change."""
    values = np.array([present.get(lever, 1.0) for lever in HELD_LEVERS])
    return np.asarray(1 / np.maximum(np.abs(values), _SMALLEST_PRESENT))


_MARGIN = 1e-6
"""Relative distance of a plan from the thresholds of contradictions, so that rounding doesn't cross them."""

_HALVINGS = 40
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Loyalty:
    """Upper limit of retention by price, from the members' estimated response to the price."""

    usual_ticket: float  # the studio's present price
    usual_retention: float  # retention at that price
    slope: float  # of the log odds of retention by the log of the price
    standard_error: float  # of the slope
    excess: float = 0.0  # amount by which the present retention exceeds the limit; it is added to the limit

    def most(self, ticket: FloatArray) -> FloatArray:
        """(N,) highest retention of a plan at a price; 1 unless the price rises clearly."""
        rise = np.log(np.maximum(ticket / self.usual_ticket, 1.0))
        odds = (1 - self.usual_retention) / self.usual_retention * np.exp(-self.slope * rise)
        expected = 1 / (1 + odds)
        error = expected * (1 - expected) * self.standard_error * rise
        most = expected + np.maximum(STANDARD_ERRORS * error, CLEAR_POINTS) + self.excess
        clear = ticket > CLEAR_RISE * self.usual_ticket
        return np.asarray(np.where(clear, np.minimum(most - _MARGIN, 1.0), 1.0))


@dataclass(frozen=True)
class PlanCapacity:
    """Limits that tie levers together; infinite where unknown."""

    most_attended: float  # largest attendance rate times classes, from the visits that members make at most
    most_members: float  # members for whom one class a month has seats
    most_work: float  # largest classes over utilisation, from the available paid hours
    least_work: float  # smallest classes over utilisation, from the paid hours to be filled
    loyalty: Loyalty | None  # limit of retention by price; None if unknown
    bold_ticket: float  # price from which new members are limited to numbers that were reached before
    most_new: float  # new members a month at such a price

    @property
    def clear_ticket(self) -> float:
        """Highest price that doesn't count as a clear rise and so doesn't limit retention."""
        return math.inf if self.loyalty is None else CLEAR_RISE * self.loyalty.usual_ticket

    def most_ticket(self, retention: float, ticket: float) -> float:
        """Highest price, up to `ticket`, at which a retention may be planned; by bisection."""
        low, high = min(self.clear_ticket, ticket), ticket
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = float(self.most_retention(np.array([middle]))[0]) >= retention
            low, high = (middle, high) if fits else (low, middle)
        return ticket if float(self.most_retention(np.array([ticket]))[0]) >= retention else low

    def most_retention(self, ticket: FloatArray) -> FloatArray:
        """(N,) highest retention at (N,) prices."""
        return np.ones_like(ticket) if self.loyalty is None else self.loyalty.most(ticket)

    def most_new_members(self, ticket: FloatArray) -> FloatArray:
        """(N,) most new members a month at (N,) prices."""
        return np.where(ticket >= self.bold_ticket, self.most_new, math.inf)


def plan_capacity(
    origin: StudioOrigin, present: FloatArray, first_members: float, peak_members: float, has_staff: bool
) -> PlanCapacity:
    """Capacity limits of a studio; none is tighter than its (7,) present levers, NaN where not carried.

    Args:
        first_members: members at the base month's end.
        peak_members: largest number of members in any month with the present levers.
        has_staff: whether the number of staff is known.
    """
    seats, visits, ticket = origin.usual("class_capacity"), origin.usual("visits"), present[TICKET]
    attended, work = float(present[ATTENDANCE] * present[CLASSES]), _ratio(present[CLASSES], present[STAFF])
    usual_work = _ratio(origin.usual("total_classes_held"), origin.usual("staff_utilization_rate"))
    most_work = math.inf if has_staff else _most(MOST_WORK * usual_work * (1 - _MARGIN), work)
    bold = BOLD_PRICE * origin.usual("avg_ticket_price")
    most_new = origin.shown.get("new_members_monthly", (0.0, math.inf))[1]
    return PlanCapacity(
        most_attended=_most(MOST_VISITS * _ratio(visits * first_members, seats) * (1 - _MARGIN), attended),
        most_members=_most(_ratio(seats, visits), _ratio(peak_members, present[CLASSES])),
        most_work=work if has_staff and math.isfinite(work) else most_work,
        least_work=-_most(-usual_work / MOST_WORK * (1 + _MARGIN), -work),
        loyalty=_loyalty(origin, float(present[RETENTION]), float(ticket)),
        bold_ticket=bold if bold > 0 else math.inf,
        most_new=max(most_new, float(present[NEW])) if ticket >= bold else most_new,
    )


def _ratio(amount: float, by: float) -> float:
    return float(amount / by) if by > 0 else math.nan


def _most(limit: float, present: float) -> float:
    """The larger of limit and present; infinite if either is unknown."""
    return max(limit, present) if math.isfinite(limit) and math.isfinite(present) else math.inf


def _loyalty(origin: StudioOrigin, retention: float, ticket: float) -> Loyalty | None:
    response = origin.effects.get("retention", {}).get("price")
    usual, today = origin.usual("avg_ticket_price"), origin.usual("retention_rate")
    if response is None or not usual > 0 or not 0 < today < 1 or not math.isfinite(retention):
        return None
    bare = Loyalty(usual, today, response.effect, response.standard_error)
    # The extra amount exceeds rounding errors, so that the present levers always keep the limit.
    excess = retention - float(bare.most(np.array([ticket]))[0]) + _ROUNDING
    return replace(bare, excess=max(excess, 0.0))
