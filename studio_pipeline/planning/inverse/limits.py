"""Limits of a plan: ranges and unit costs of levers, and the capacity of rooms, staff and members."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

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
_NAMES = {**{v: k for k, v in INCREASE_LIMITS.items()}, **{v: k for k, v in DECREASE_LIMITS.items()}}


@dataclass(frozen=True)
class PlanRanges:
    """Between what a plan may choose, in the order of `HELD_LEVERS`.

    Attributes:
        low: (7,) lowest values.
        high: (7,) highest values.
        low_names: what sets them: a limit's name, or "" where nothing but being held does.
        high_names: the same of the highest.
    """

    low: FloatArray
    high: FloatArray
    low_names: tuple[str, ...]
    high_names: tuple[str, ...]


def check_plan_query(query: PlanQuery) -> None:
    """Refuse a target, limits, costs or names that mean nothing.

    Raises:
        LeverError: naming the field.
    """
    if not (math.isfinite(query.target_revenue) and query.target_revenue > 0):
        raise LeverError(
            f"target_revenue is {query.target_revenue:g}, but it is above 0.", "Give the revenue to reach."
        )
    for field, names in (("frozen_levers", query.frozen_levers), ("lever_costs", query.lever_costs)):
        if unknown := sorted(set(names) - set(LEVER_BOUNDS)):
            raise LeverError(
                f"{field}: there is no lever {', '.join(unknown)}.",
                f"The levers are {', '.join(LEVER_BOUNDS)}.",
            )
    if unknown := sorted(set(query.limits) - set(_NAMES)):
        raise LeverError(
            f"constraints: there is no {', '.join(unknown)}.", f"The limits are {', '.join(_NAMES)}."
        )
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
    """The ranges of all levers.

    Args:
        present: lever to its present value, of those that the data carry.
        query: for its limits.
        configuration: for the limits that the query leaves out.
        shown: lever to its smallest and largest shown value.
        held: levers that stay at their present.
    """
    low, high = np.zeros((2, len(HELD_LEVERS)))
    low_names, high_names = [], []
    for place, lever in enumerate(HELD_LEVERS):
        now = present.get(lever, 0.0)
        low[place] = high[place] = now
        names = ["", ""]
        if lever in present and lever not in held:
            bounds = lever_bounds(lever, *shown.get(lever, (math.nan, math.nan)))
            most = _stated(INCREASE_LIMITS[lever], place, now, query, configuration)
            least = _stated(DECREASE_LIMITS[lever], place, now, query, configuration)
            low[place], names[0] = max((bounds[0], f"lowest_{lever}"), (now - least, DECREASE_LIMITS[lever]))
            high[place], names[1] = min((bounds[1], f"highest_{lever}"), (now + most, INCREASE_LIMITS[lever]))
        if place in WHOLE:
            low[place], high[place] = min(math.ceil(low[place]), now), max(math.floor(high[place]), now)
        low_names.append(names[0])
        high_names.append(names[1])
    return PlanRanges(low, high, tuple(low_names), tuple(high_names))


def _stated(name: str, place: int, now: float, query: PlanQuery, configuration: PlanningConfig) -> float:
    """How far a lever may move one way; infinite where nothing but its bounds says."""
    if name in query.limits:
        amount = query.limits[name]
        return math.inf if amount is None else amount
    amount = getattr(configuration.limits, name)
    if amount is None and place == CLASSES:
        return float(math.floor(configuration.classes_share * now))
    return math.inf if amount is None else float(amount)


def unit_costs(present: Mapping[str, float], query: PlanQuery, configuration: PlanningConfig) -> FloatArray:
    """(7,) cost of one more unit of each lever for a month, currency."""
    ticket = present.get("avg_ticket_price", 0.0)
    members = present.get(START_LEVER, 0.0)
    scales = np.full(len(HELD_LEVERS), ticket * members)
    scales[TICKET], scales[NEW], scales[CLASSES] = members, ticket, ticket
    costs = []
    for lever, scale in zip(HELD_LEVERS, scales.tolist(), strict=True):
        absolute = query.lever_costs.get(lever, getattr(configuration.lever_costs, lever))
        costs.append(getattr(configuration.cost_shares, lever) * scale if absolute is None else absolute)
    return np.array(costs)


def relative_weights(present: Mapping[str, float]) -> FloatArray:
    """(7,) weights of the least total relative change."""
    values = np.array([present.get(lever, 1.0) for lever in HELD_LEVERS])
    return np.asarray(1 / np.maximum(np.abs(values), _SMALLEST_PRESENT))


_HAIR = 1e-6
"""What a plan keeps away from a contradiction, so that rounding never makes it one."""

_HALVINGS = 40
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Loyalty:
    """The retention that members are known to show at a price, and how far above it a plan may go.

    Attributes:
        usual_ticket: price that the studio takes today.
        usual_retention: retention it shows at that price.
        slope: of the log odds of retention by the log of the price.
        standard_error: of the slope.
        excess: by how much the present is above what may be planned.
    """

    usual_ticket: float
    usual_retention: float
    slope: float
    standard_error: float
    excess: float = 0.0

    def most(self, ticket: FloatArray) -> FloatArray:
        """(N,) highest retention to plan with; 1 where the price hardly rises."""
        rise = np.log(np.maximum(ticket / self.usual_ticket, 1.0))
        odds = (1 - self.usual_retention) / self.usual_retention * np.exp(-self.slope * rise)
        expected = 1 / (1 + odds)
        error = expected * (1 - expected) * self.standard_error * rise
        most = expected + np.maximum(STANDARD_ERRORS * error, CLEAR_POINTS) + self.excess
        clear = ticket > CLEAR_RISE * self.usual_ticket
        return np.asarray(np.where(clear, np.minimum(most - _HAIR, 1.0), 1.0))


@dataclass(frozen=True)
class PlanCapacity:
    """Limits that tie levers together; infinite where nothing is known.

    Attributes:
        most_attended: attendance rate times classes: the visits that members make at most, in seats.
        most_members: members that one class a month has seats for.
        most_work: classes over utilisation: the paid hours there are.
        least_work: the paid hours that have to be filled.
        knows_staff: whether `most_work` is today's paid hours.
        loyalty: None where nothing is known.
        bold_ticket: price from which on nobody joins in numbers never seen.
        most_new: new members at such a price.
    """

    most_attended: float
    most_members: float
    most_work: float
    least_work: float
    knows_staff: bool
    loyalty: Loyalty | None
    bold_ticket: float
    most_new: float

    @property
    def clear_ticket(self) -> float:
        """Highest price that is no clear rise, at which any retention may still be planned."""
        return math.inf if self.loyalty is None else CLEAR_RISE * self.loyalty.usual_ticket

    def most_ticket(self, retention: float, ticket: float) -> float:
        """The highest price, up to `ticket`, at which a retention may still be planned."""
        low, high = min(self.clear_ticket, ticket), ticket
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = float(self.most_retention(np.array([middle]))[0]) >= retention
            low, high = (middle, high) if fits else (low, middle)
        return ticket if float(self.most_retention(np.array([ticket]))[0]) >= retention else low

    def most_retention(self, ticket: FloatArray) -> FloatArray:
        """(N,) at a price."""
        return np.ones_like(ticket) if self.loyalty is None else self.loyalty.most(ticket)

    def most_new_members(self, ticket: FloatArray) -> FloatArray:
        """(N,) at a price."""
        return np.where(ticket >= self.bold_ticket, self.most_new, math.inf)


def plan_capacity(
    origin: StudioOrigin, present: FloatArray, first_members: float, peak_members: float, has_staff: bool
) -> PlanCapacity:
    """The capacity of a studio.

    Args:
        origin: the studio.
        present: (7,) levers as they are; NaN where the data carry none.
        first_members: at the base month's end.
        peak_members: most members in any month with the levers as they are.
        has_staff: whether the number of staff is known.
    """
    seats, visits, ticket = origin.usual("class_capacity"), origin.usual("visits"), present[TICKET]
    attended, work = float(present[ATTENDANCE] * present[CLASSES]), _ratio(present[CLASSES], present[STAFF])
    usual_work = _ratio(origin.usual("total_classes_held"), origin.usual("staff_utilization_rate"))
    bold = BOLD_PRICE * origin.usual("avg_ticket_price")
    most_new = origin.shown.get("new_members_monthly", (0.0, math.inf))[1]
    return PlanCapacity(
        most_attended=_most(MOST_VISITS * _ratio(visits * first_members, seats) * (1 - _HAIR), attended),
        most_members=_most(_ratio(seats, visits), _ratio(peak_members, present[CLASSES])),
        most_work=_known(work) if has_staff else _most(MOST_WORK * usual_work * (1 - _HAIR), work),
        least_work=-_most(-usual_work / MOST_WORK * (1 + _HAIR), -work),
        knows_staff=has_staff and math.isfinite(work),
        loyalty=_loyalty(origin, float(present[RETENTION]), float(ticket)),
        bold_ticket=bold if bold > 0 else math.inf,
        most_new=max(most_new, float(present[NEW])) if ticket >= bold else most_new,
    )


def _ratio(amount: float, by: float) -> float:
    return float(amount / by) if by > 0 else math.nan


def _known(amount: float) -> float:
    return amount if math.isfinite(amount) else math.inf


def _most(limit: float, present: float) -> float:
    """The limit, or the present where that is beyond; infinite where either is unknown."""
    return max(limit, present) if math.isfinite(limit) and math.isfinite(present) else math.inf


def _loyalty(origin: StudioOrigin, retention: float, ticket: float) -> Loyalty | None:
    response = origin.effects.get("retention", {}).get("price")
    usual, today = origin.usual("avg_ticket_price"), origin.usual("retention_rate")
    if response is None or not usual > 0 or not 0 < today < 1 or not math.isfinite(retention):
        return None
    bare = Loyalty(usual, today, response.effect, response.standard_error)
    # More than rounding takes away, so that the present itself always fits.
    excess = retention - float(bare.most(np.array([ticket]))[0]) + _ROUNDING
    return Loyalty(usual, today, response.effect, response.standard_error, max(excess, 0.0))
