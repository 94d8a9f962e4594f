"""Attribution of a plan's gain to its levers by Shapley values, and the limits that bind the plan.

A lever's share of the gain is its contribution to the revenue, averaged over all orders of making the
changes. A limit binds if relaxing it by one unit adds revenue: its lever moves by that unit whatever it
costs, the other levers stay as planned, and retention follows its response within its limits. Both use the
forecaster's revenue, not the closed form.
Source: Shapley, A Value for n-Person Games (1953).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.inverse.queries import BindingLimit
from studio_pipeline.planning.inverse.setup import PlanSetup
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET, one_unit


def shapley_split(
    present: FloatArray, plan: FloatArray, revenue: Callable[[FloatArray], FloatArray]
) -> dict[int, float]:
    """Splits the gain of a plan among the levers that change.

    Args:
        present, plan: (7,) levers.
        revenue: function from (7, N) plans to (N,) revenue; called once, with all subsets of the changes.

    Returns:
        Index of each lever that changes to its share of the gain, currency.
    """
    changed = np.flatnonzero(plan != present)
    if not (k := len(changed)):
        return {}
    subsets = (np.arange(1 << k)[:, None] >> np.arange(k)) & 1
    x = np.repeat(present[:, None], len(subsets), 1)
    x[changed] = np.where(subsets.T == 1, plan[changed, None], present[changed, None])
    earned = revenue(x)
    weight = np.array([math.factorial(n) * math.factorial(k - n - 1) for n in range(k)]) / math.factorial(k)
    size, shares = subsets.sum(1), {}
    for order, place in enumerate(changed.tolist()):
        without = np.flatnonzero(subsets[:, order] == 0)
        adds = earned[without | (1 << order)] - earned[without]
        shares[place] = float(weight[size[without]] @ adds)
    return shares


_AT_LIMIT = 1e-6
_SMALLEST_GAIN = 0.005

_Relaxed = tuple[str, float, FloatArray]
"""A limit's name, one unit of it, and the (7,) plan with the limit relaxed by that unit."""


def binding_limits(setup: PlanSetup, plan: FloatArray) -> tuple[BindingLimit, ...]:
    """Limits at which a (7,) plan stands and whose relaxation adds revenue, the largest gain first."""
    if not (relaxed := [*_of_levers(setup, plan), *_of_capacity(setup, plan)]):
        return ()
    plans = np.stack([plan, *(one for _, _, one in relaxed)], 1)
    earned = setup.revenue(plans)
    found = [
        BindingLimit(name, unit, float(more))
        for (name, unit, _), more in zip(relaxed, earned[1:] - earned[0], strict=True)
        if more > _SMALLEST_GAIN
    ]
    return tuple(sorted(found, key=lambda limit: -limit.adds_revenue))


def _of_levers(setup: PlanSetup, plan: FloatArray) -> list[_Relaxed]:
    ranges = setup.ranges
    ends = ((ranges.high_names, ranges.high, 1), (ranges.low_names, ranges.low, -1))
    return [
        (names[place], unit := one_unit(place), _moved(setup, plan, place, sign * unit))
        for place in range(len(HELD_LEVERS))
        for names, limits, sign in ends
        if names[place] and _at(plan[place], limits[place])
    ]


def _of_capacity(setup: PlanSetup, plan: FloatArray) -> list[_Relaxed]:
    """Capacity limits at which the plan stands, of levers that may still move."""
    capacity, free = setup.problem.capacity, setup.problem.high > plan

    def unit_more(name: str, place: int) -> _Relaxed:
        return name, one_unit(place), _moved(setup, plan, place, one_unit(place))

    attendance, staff, classes = (float(plan[place]) for place in (ATTENDANCE, STAFF, CLASSES))
    found, most = [], float(capacity.most_retention(plan[TICKET : TICKET + 1])[0])
    if free[RETENTION] and most < 1 and _at(plan[RETENTION], most):
        found.append(unit_more("retention_at_this_price", RETENTION))
    if setup.problem.high[TICKET] < setup.ranges.high[TICKET] and not free[TICKET]:
        found.append(unit_more("ticket_at_this_retention", TICKET))
    if free[ATTENDANCE] and _at(attendance * classes, capacity.most_attended):
        found.append(unit_more("visits_a_member", ATTENDANCE))
    if free[CLASSES] and _at(classes, capacity.most_work * staff):
        found.append(unit_more("paid_hours", CLASSES))
    peak, seated = _peak(setup, plan), capacity.most_members * classes
    if free[RETENTION] and _at(peak, seated):
        found.append(("seats", 1.0, _with_one_class_of_seats(setup, plan)))
    elif free[NEW] and (not free[RETENTION] or _at(plan[RETENTION], most)):
        found += _seats_of_new_members(setup, plan, seated - peak)
    return found


def _with_one_class_of_seats(setup: PlanSetup, plan: FloatArray) -> FloatArray:
    """(7,) the plan with as many more retained members as one more class a month has seats for."""
    capacity, classes, fuller = setup.problem.capacity, plan[CLASSES], plan.copy()
    roomier = replace(capacity, most_members=capacity.most_members * (classes + 1) / classes)
    fuller[RETENTION] = setup.problem.high[RETENTION]
    settled, _ = replace(setup.problem, capacity=roomier).settled(fuller[:, None])
    return np.asarray(settled[:, 0])


def _seats_of_new_members(setup: PlanSetup, plan: FloatArray, room: float) -> list[_Relaxed]:
    """The seats of one more class a month filled with new members, if one more of them exceeds the seats.

    Planned new members are whole, so some seats may be left over. The relaxed plan may contain a fraction of
    a member if a class has no seats for a whole one.
    """
    capacity, ticket = setup.problem.capacity, plan[TICKET : TICKET + 1]
    may = min(setup.problem.high[NEW], capacity.most_new_members(ticket)[0]) - plan[NEW]
    each = _peak(setup, _joined(plan, 1.0)) - _peak(setup, plan)
    if each <= room or may <= 0:
        return []
    return [("seats", 1.0, _joined(plan, min((room + capacity.most_members) / each, may)))]


def _peak(setup: PlanSetup, plan: FloatArray) -> float:
    return float(setup.problem.revenue.members(plan[:, None]).max())


def _joined(plan: FloatArray, more: float) -> FloatArray:
    joined = plan.copy()
    joined[NEW] += more
    return joined


def _at(value: float, limit: float) -> bool:
    return math.isfinite(limit) and bool(abs(value - limit) <= _AT_LIMIT * max(abs(limit), 1.0))


def _moved(setup: PlanSetup, plan: FloatArray, place: int, change: float) -> FloatArray:
    """(7,) the plan with one lever changed and retention following its response, at constant effort."""
    responses, moved = setup.problem.responses, plan.copy()
    moved[place] = max(plan[place] + change, 0.0)
    if place == RETENTION:
        moved[RETENTION] = min(moved[RETENTION], 1.0)
        return moved
    follows = responses.retention_rate(moved[:, None])[0] - responses.retention_rate(plan[:, None])[0]
    low, high = setup.problem.low[RETENTION], setup.problem.high[RETENTION]
    moved[RETENTION] = min(max(plan[RETENTION] + follows, low), high)
    return moved
