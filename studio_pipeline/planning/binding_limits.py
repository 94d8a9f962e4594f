"""Which limits hold a plan back, and what one more unit of each would add.

One limit is relaxed by one unit and its lever goes there, whatever that costs; the other levers stay as
planned, except that retention follows its response to the change. The forecaster says what that earns.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, RETENTION, STAFF, one_unit
from studio_pipeline.planning.plan_queries import BindingLimit
from studio_pipeline.planning.plan_setup import PlanSetup

_AT_LIMIT = 1e-6
_WORTH_TELLING = 0.005

_Relaxed = tuple[str, float, FloatArray]
"""A limit's name, one unit of it, and the (7,) plan with that one unit more."""


def binding_limits(setup: PlanSetup, plan: FloatArray) -> tuple[BindingLimit, ...]:
    """The limits that a (7,) plan stands at and that cost it revenue, the one that costs most first."""
    relaxed = [*_of_levers(setup, plan), *_of_capacity(setup, plan)]
    if not relaxed:
        return ()
    plans = np.stack([plan, *(one for _, _, one in relaxed)], 1)
    earned = setup.revenue(plans)
    found = [
        BindingLimit(name, unit, float(more))
        for (name, unit, _), more in zip(relaxed, earned[1:] - earned[0], strict=True)
        if more > _WORTH_TELLING
    ]
    return tuple(sorted(found, key=lambda limit: -limit.adds_revenue))


def _of_levers(setup: PlanSetup, plan: FloatArray) -> list[_Relaxed]:
    ranges, found = setup.ranges, []
    for place in range(len(HELD_LEVERS)):
        unit = one_unit(place)
        if ranges.high_names[place] and _at(plan[place], ranges.high[place]):
            found.append((ranges.high_names[place], unit, _moved(setup, plan, place, unit)))
        if ranges.low_names[place] and _at(plan[place], ranges.low[place]):
            found.append((ranges.low_names[place], unit, _moved(setup, plan, place, -unit)))
    return found


def _of_capacity(setup: PlanSetup, plan: FloatArray) -> list[_Relaxed]:
    """Limits that tie levers together: seats, visits, paid hours, and retention at a high price."""
    problem, capacity, found = setup.problem, setup.problem.capacity, []
    x = plan[:, None]
    classes, unit = plan[CLASSES], one_unit(RETENTION)
    ticket_limit = float(capacity.most_retention(x[1])[0])
    if ticket_limit < 1 and _at(plan[RETENTION], ticket_limit):
        found.append(("retention_at_this_price", unit, _moved(setup, plan, RETENTION, unit)))
    peak = float(problem.revenue.members(x).max())
    if np.isfinite(capacity.most_members) and _at(peak, capacity.most_members * classes):
        roomier = replace(capacity, most_members=capacity.most_members * (classes + 1) / classes)
        fuller = plan.copy()
        fuller[RETENTION] = problem.high[RETENTION]
        settled, _ = replace(problem, capacity=roomier).settled(fuller[:, None])
        found.append(("seats", 1.0, settled[:, 0]))
    if np.isfinite(capacity.most_attended) and _at(plan[ATTENDANCE] * classes, capacity.most_attended):
        point = one_unit(ATTENDANCE)
        found.append(("visits_a_member", point, _moved(setup, plan, ATTENDANCE, point)))
    if np.isfinite(capacity.most_work) and _at(classes, capacity.most_work * plan[STAFF]):
        found.append(("paid_hours", 1.0, _moved(setup, plan, CLASSES, 1.0)))
    return found


def _at(value: float, limit: float) -> bool:
    return bool(abs(value - limit) <= _AT_LIMIT * max(abs(limit), 1.0))


def _moved(setup: PlanSetup, plan: FloatArray, place: int, change: float) -> FloatArray:
    """(7,) the plan with one lever moved on and retention following, effort held."""
    responses, moved = setup.problem.responses, plan.copy()
    moved[place] = max(plan[place] + change, 0.0)
    if place != RETENTION:
        follows = responses.retention_rate(moved[:, None])[0] - responses.retention_rate(plan[:, None])[0]
        moved[RETENTION] += follows
    moved[RETENTION] = min(max(moved[RETENTION], 0.0), 1.0)
    return moved
