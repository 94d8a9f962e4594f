"""A plan on the calendar: each lever changes once its lead time is over, and retention and new members
respond to what has changed by then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.queries import LeverStep
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.levers import CLASSES, NEW, RESPONDING, RETENTION, STAFF
from studio_pipeline.planning.plan_setup import PlanSetup

WEEKS_PER_MONTH = 365.25 / 12 / 7
_SAME = 1e-9


@dataclass(frozen=True)
class DatedPlan:
    """When what changes.

    Attributes:
        steps: levers that change, by the month from which they hold.
        too_late: lever to the month in which it would change, of those that only would after the target.
    """

    steps: tuple[LeverStep, ...]
    too_late: Mapping[str, int]


def first_month(weeks: float) -> int:
    """The projected month from which a change holds: the one after its lead time, in whole months."""
    return 1 + math.ceil(weeks / WEEKS_PER_MONTH - 1e-9)


def dated_plan(setup: PlanSetup, plan: FloatArray, weeks: Mapping[str, float]) -> DatedPlan:
    """The changes of a (7,) plan by their lead times, within the target's months."""
    present, efforts = setup.problem.present, setup.problem.efforts(plan[:, None])[:, 0]
    acted = {k: first_month(weeks[lever]) for k, lever in enumerate(HELD_LEVERS) if efforts[k] > 0}
    if acted.keys() >= {STAFF, CLASSES}:
        # No class without its staff.
        acted[STAFF] = acted[CLASSES] = max(acted[STAFF], acted[CLASSES])
    before, steps = present, []
    for month in range(1, setup.query.target_months + 1):
        now = _in_month(setup, plan, acted, month)
        changed = [k for k, lever in enumerate(HELD_LEVERS) if lever in setup.present and now[k] != before[k]]
        if changed:
            steps.append(LeverStep(month, {HELD_LEVERS[k]: float(now[k]) for k in changed}))
        before = now
    late = {HELD_LEVERS[k]: month for k, month in acted.items() if month > setup.query.target_months}
    return DatedPlan(tuple(steps), late)


def _in_month(setup: PlanSetup, plan: FloatArray, acted: Mapping[int, int], month: int) -> FloatArray:
    """(7,) levers as they are in a month."""
    if all(first <= month for first in acted.values()):
        return plan
    problem, now = setup.problem, setup.problem.present.copy()
    for place, first in acted.items():
        if place not in RESPONDING and first <= month:
            now[place] = plan[place]
    both = np.stack([now, plan], 1)
    kept, kept_at_last = problem.responses.retention_rate(both).tolist()
    won, won_at_last = problem.responses.new_members(both).tolist()
    if acted.get(RETENTION, month + 1) <= month:
        kept += max(plan[RETENTION] - kept_at_last, 0.0)
    now[RETENTION] = min(kept, max(plan[RETENTION], problem.present[RETENTION]))
    if acted.get(NEW, month + 1) <= month:
        won += max(plan[NEW] - won_at_last, 0.0)
    elif NEW not in acted and abs(won - won_at_last) < _SAME:
        won = float(plan[NEW])
    now[NEW] = problem.present[NEW] if abs(won - problem.present[NEW]) < _SAME else max(np.rint(won), 0.0)
    return _frozen(setup, now)


def _frozen(setup: PlanSetup, now: FloatArray) -> FloatArray:
    """Levers that stay where they are, effort for that being made from the start."""
    for place, lever in enumerate(HELD_LEVERS):
        if lever in setup.query.frozen_levers:
            now[place] = setup.problem.present[place]
    return now
