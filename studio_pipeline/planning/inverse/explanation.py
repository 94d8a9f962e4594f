"""Explanation of a plan: changes of levers with cost and feasibility, actions, dated steps, and warnings.

Actions are sorted by gain, with levers that only respond last; steps are dated by the levers' lead times.
Feasibility compares a change with past changes in the panel. Attribution of the gain is in `attribution`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.queries import LeverStep
from studio_pipeline.panel.arrays import FloatArray, StudioPanel, ratio
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.queries import Action, CostLevel, LeverChange, Plan
from studio_pipeline.planning.inverse.setup import PRESENT_MONTHS, PlanSetup, follows_flows
from studio_pipeline.planning.inverse.solution import reaches
from studio_pipeline.planning.levers import CLASSES, NEW, RATES, RESPONDING, RETENTION, STAFF

_NAMES: Mapping[str, str] = {
    "retention_rate": "the share of members who stay each month",
    "avg_ticket_price": "the monthly ticket",
    "class_attendance_rate": "class attendance",
    "new_members_monthly": "the members who join each month",
    "staff_utilization_rate": "staff utilisation",
    "upsell_rate": "the share of members who buy an extra",
    "total_classes_held": "the classes held a month",
}


def actions(
    setup: PlanSetup, plan: FloatArray, impacts: Mapping[int, float], weeks: Mapping[str, float]
) -> tuple[Action, ...]:
    """Actions of a (7,) plan: levers with effort by descending gain, then levers that only respond."""
    present, efforts = setup.problem.present, setup.problem.efforts(plan[:, None])[:, 0]
    places = [k for k in range(len(HELD_LEVERS)) if efforts[k] > 0 or plan[k] != present[k]]
    places.sort(key=lambda k: (not efforts[k] > 0, -impacts.get(k, 0.0)))
    slowest = max((weeks[HELD_LEVERS[k]] for k in places if efforts[k] > 0), default=0.0)
    return tuple(
        Action(
            priority=priority,
            lever=HELD_LEVERS[place],
            action=_sentence(place, plan[place], present[place], efforts[place]),
            expected_impact=impacts.get(place, 0.0),
            timeline_weeks=weeks[HELD_LEVERS[place]] if efforts[place] > 0 else slowest,
        )
        for priority, place in enumerate(places, 1)
    )


def _sentence(place: int, planned: float, now: float, effort: float) -> str:
    name = _NAMES[HELD_LEVERS[place]]
    before, after = _shown_pair(place, now, planned)
    if not effort > 0:
        way = "fall" if planned < now else "rise"
        return f"Expect {name} to {way} from {before} to {after} in response to the other changes."
    if place in RESPONDING and planned <= now:
        without = _shown(place, planned - effort)
        start = "Hold" if planned == now else "Limit the fall of"
        end = f"at {after}" if planned == now else f"from {before} to {after}"
        return f"{start} {name} {end}: without effort the other changes would take it to {without}."
    return f"{'Raise' if planned > now else 'Lower'} {name} from {before} to {after}."


def _shown(place: int, value: float, digits: int = 2) -> str:
    """Formats a lever's value with up to `digits` decimals, rates as per cent."""
    scale, unit = (100, " %") if place in RATES else (1, "")
    return f"{scale * value:.{digits}f}".rstrip("0").rstrip(".") + unit


def _shown_pair(place: int, now: float, planned: float) -> tuple[str, str]:
    """Formats both values with as many decimals as they need to differ."""
    for digits in (2, 3, 4, 6, 9):
        pair = _shown(place, now, digits), _shown(place, planned, digits)
        if pair[0] != pair[1] or now == planned:
            break
    return pair


WEEKS_PER_MONTH = 365.25 / 12 / 7
_SAME = 1e-9


@dataclass(frozen=True)
class DatedPlan:
    """Changes of a plan on the calendar."""

    steps: tuple[LeverStep, ...]  # levers that change, by the month from which they hold
    too_late: Mapping[str, int]  # lever to the month of its change, for changes after the target's months


def first_month(weeks: float) -> int:
    """Projected month from which a change holds: the first one after its lead time."""
    return 1 + math.ceil(weeks / WEEKS_PER_MONTH - 1e-9)


def dated_plan(setup: PlanSetup, plan: FloatArray, weeks: Mapping[str, float]) -> DatedPlan:
    """Dates the changes of a (7,) plan by their lead times, within the target's months."""
    present, efforts = setup.problem.present, setup.problem.efforts(plan[:, None])[:, 0]
    acted = {k: first_month(weeks[lever]) for k, lever in enumerate(HELD_LEVERS) if efforts[k] > 0}
    if acted.keys() >= {STAFF, CLASSES}:
        # Additional classes need their staff: both change together.
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
    """(7,) levers in a month, with the changes that hold by then."""
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
    # Effort of a frozen lever against its response starts in the first month.
    for place, lever in enumerate(HELD_LEVERS):
        if lever in setup.query.frozen_levers:
            now[place] = problem.present[place]
    return now


_MOST_STUDIOS = 500


def past_changes(panel: StudioPanel, column: int, place: int, months: int) -> FloatArray:
    """(K,) past changes of one lever's three-month mean over spans of `months`, up to a base month's column.

    Of rates in points, of other levers relative to the value before; of at most 500 evenly spaced studios.
    """
    every = -(-panel.n_studios // _MOST_STUDIOS)
    values = panel.values[LEVER_COLUMNS[HELD_LEVERS[place]]][::every, : column + 1]
    count = values.shape[1] - PRESENT_MONTHS + 1
    if count <= months:
        return np.zeros(0)
    mean = np.stack([values[:, k : k + count] for k in range(PRESENT_MONTHS)]).mean(0)
    before, after = mean[:, :-months], mean[:, months:]
    changes = after - before if place in RATES else ratio(after, before) - 1
    return np.asarray(changes[np.isfinite(changes)])


def feasibility_score(changes: FloatArray, change: float, limit: float) -> float:
    """Feasibility of a change (not 0) by (K,) `past_changes`: 1 for a very small one, 0 at the limit.

    The score is the share of past changes in the same direction that were at least as large, among those
    within the limit, which has the sign of the change. Without such changes it falls linearly to the limit.
    """
    size, most = abs(change), max(abs(limit), abs(change))
    if size >= most:
        return 0.0
    same_way = np.abs(changes[np.sign(changes) == np.sign(change)])
    beyond = float((same_way > most).mean()) if same_way.size else 1.0
    if beyond >= 1:
        return 1 - size / most
    return (float((same_way >= size).mean()) - beyond) / (1 - beyond)


def lever_changes(
    setup: PlanSetup,
    plan: FloatArray,
    impacts: Mapping[int, float],
    panel: StudioPanel,
    configuration: PlanningConfig,
) -> dict[str, LeverChange]:
    """Lever to its change, for levers that a (7,) plan changes or holds against a response."""
    present = setup.problem.present
    efforts = setup.problem.efforts(plan[:, None])[:, 0]
    months = setup.query.target_months
    held = 1 if setup.query.target_kind == "total" else months
    changes = {}
    for place, lever in enumerate(HELD_LEVERS):
        now, planned = float(present[place]), float(plan[place])
        if planned == now and not efforts[place] > 0:
            continue
        cost, impact = float(setup.costs[place] * efforts[place]) * months, impacts.get(place, 0.0)
        changes[lever] = LeverChange(
            current=now,
            recommended=planned,
            change_pct=100 * (planned / now - 1) if now else None,
            impact_on_revenue=impact,
            feasibility_score=_feasibility(setup, plan, place, panel),
            estimated_cost=_cost_level(cost / held, impact, configuration),
            cost=cost,
        )
    return changes


def _feasibility(setup: PlanSetup, plan: FloatArray, place: int, panel: StudioPanel) -> float:
    now, problem = float(setup.problem.present[place]), setup.problem
    change = float(plan[place]) - now
    if not change:
        return 1.0
    limit = float(problem.high[place] if change > 0 else problem.low[place]) - now
    unit = 1.0 if place in RATES or not now else now
    column = min(panel.column_of(setup.origin.base_month), panel.n_months - 1)
    past = past_changes(panel, column, place, setup.query.target_months)
    return feasibility_score(past, change / unit, limit / unit)


def _cost_level(cost: float, impact: float, configuration: PlanningConfig) -> CostLevel:
    """Level of a cost relative to the gain of revenue in the same months, both in currency."""
    if cost <= configuration.low_cost_share * max(impact, 0.0):
        return "low"
    return "medium" if cost <= configuration.medium_cost_share * max(impact, 0.0) else "high"


_MOST_LIMITS = 3


def plan_warnings(
    setup: PlanSetup, plan: Plan, too_late: Mapping[str, int], of_forecast: Sequence[str]
) -> tuple[str, ...]:
    """Warnings of a plan: a target out of reach, late changes, levers not carried, and `of_forecast`."""
    found, target, months = [], setup.problem.target, setup.query.target_months
    if not plan.feasible:
        found.append(_out_of_reach(target, plan))
    elif not plan.lever_changes:
        found.append("The target is reached with every lever as it is: nothing has to change.")
    if plan.feasible and not reaches(plan.dated_revenue, target):
        found.append(
            f"With every change at the end of its lead time the revenue is {plan.dated_revenue:,.2f}, which "
            f"misses the target of {target:,.2f}: start earlier, or give it more than {months} months."
        )
    found += [
        f"{lever} takes until month {month} to change, after the target's month {months}."
        for lever, month in too_late.items()
    ]
    if missing := [lever for lever in LEVER_BOUNDS if lever not in setup.present]:
        found.append(f"The studio's data don't carry {', '.join(missing)}: the plan leaves them out.")
    if not follows_flows(setup.origin):
        found.append(
            "avg_ticket_price is held: without retention_rate and new_members the data can't show how many "
            "members a higher price costs."
        )
    return (*found, *of_forecast)


def _out_of_reach(target: float, plan: Plan) -> str:
    nearest = f"The target of {target:,.2f} can't be reached: {plan.achievable_revenue:,.2f} comes nearest."
    if not plan.binding_limits:
        return f"{nearest} No limit that could be relaxed adds to it; unfreeze a lever or allow more months."
    first = plan.binding_limits[:_MOST_LIMITS]
    adding = (f"{one.limit} ({one.one_unit:g} more adds {one.adds_revenue:,.2f})" for one in first)
    return f"{nearest} Relax first {', then '.join(adding)}."
