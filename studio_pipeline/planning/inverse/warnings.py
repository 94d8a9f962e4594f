"""Warnings of a plan: a target out of reach, late changes, levers that can't be planned.

The forecaster's own warnings about the plan (`forecasting.forecaster.warnings`) are appended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.planning.inverse.explanation import DatedPlan
from studio_pipeline.planning.inverse.queries import BindingLimit
from studio_pipeline.planning.inverse.setup import PlanSetup, follows_flows
from studio_pipeline.planning.inverse.solution import reaches

_MOST_LIMITS = 3
_NOTHING_TO_DO = "The target is reached with every lever as it is: nothing has to change."


@dataclass(frozen=True)
class Reached:
    """Result of a plan relative to its target.

    Attributes:
        feasible: whether the plan reaches the target.
        unchanged: whether the plan changes no lever.
        achievable: revenue of the plan, currency.
        dated: changes on the calendar.
        dated_revenue: of the dated plan, currency.
    """

    feasible: bool
    unchanged: bool
    achievable: float
    dated: DatedPlan
    dated_revenue: float


def plan_warnings(
    setup: PlanSetup, reached: Reached, limits: Sequence[BindingLimit], of_forecast: Sequence[str]
) -> tuple[str, ...]:
    """Warnings of a plan as sentences: the target, dates, levers that can't be planned, and the forecast's.

    Args:
        setup: of the plan.
        reached: its result.
        limits: that bind it.
        of_forecast: warnings of the forward answer to the plan.
    """
    return (
        *([] if reached.feasible else [_out_of_reach(setup, reached.achievable, limits)]),
        *([_NOTHING_TO_DO] if reached.feasible and reached.unchanged else []),
        *_dates(setup, reached),
        *_not_planned(setup),
        *of_forecast,
    )


def _out_of_reach(setup: PlanSetup, achievable: float, limits: Sequence[BindingLimit]) -> str:
    nearest = f"The target of {setup.problem.target:,.2f} can't be reached: {achievable:,.2f} comes nearest."
    if not limits:
        return f"{nearest} No limit that could be relaxed adds to it; unfreeze a lever or allow more months."
    first = [
        f"{one.limit} ({one.one_unit:g} more adds {one.adds_revenue:,.2f})" for one in limits[:_MOST_LIMITS]
    ]
    return f"{nearest} Relax first {', then '.join(first)}."


def _dates(setup: PlanSetup, reached: Reached) -> list[str]:
    target, months = setup.problem.target, setup.query.target_months
    late = [
        f"{lever} takes until month {month} to change, after the target's month {months}."
        for lever, month in reached.dated.too_late.items()
    ]
    if not reached.feasible or reaches(reached.dated_revenue, target):
        return late
    return [
        f"With every change at the end of its lead time the revenue is {reached.dated_revenue:,.2f}, which "
        f"misses the target of {target:,.2f}: start earlier, or give it more than {months} months.",
        *late,
    ]


def _not_planned(setup: PlanSetup) -> list[str]:
    found = []
    if missing := [lever for lever in LEVER_BOUNDS if lever not in setup.present]:
        found.append(f"The studio's data don't carry {', '.join(missing)}: the plan leaves them out.")
    if not follows_flows(setup.origin):
        found.append(
            "avg_ticket_price is held: without retention_rate and new_members the data can't show how many "
            "members a higher price costs."
        )
    return found
