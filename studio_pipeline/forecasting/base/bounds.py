"""Bounds of the levers: static table, widening by a studio's observed values, and checks of given levers.

Pure functions: the caller passes the observed range, taken from the panel. Whether a studio's columns allow a
lever to be given at all is checked in `forecaster.requests`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.base.queries import LeverStep

Range = tuple[float, float]
"""Lowest and highest value, both inclusive."""


@dataclass(frozen=True)
class StaticBounds:
    """Bounds of a lever that apply to every studio."""

    low: float  # lowest value, in the lever's unit
    high: float  # highest value
    is_rate: bool = False  # the lever is a rate; widened bounds stay within 0..1


LEVER_BOUNDS: dict[str, StaticBounds] = {
    "retention_rate": StaticBounds(0.5, 1.0, is_rate=True),
    "avg_ticket_price": StaticBounds(50.0, 500.0),
    "class_attendance_rate": StaticBounds(0.4, 1.0, is_rate=True),
    "new_members_monthly": StaticBounds(0.0, 100.0),
    "staff_utilization_rate": StaticBounds(0.6, 1.0, is_rate=True),
    "upsell_rate": StaticBounds(0.0, 0.5, is_rate=True),
    "total_classes_held": StaticBounds(50.0, 500.0),
    "current_member_count": StaticBounds(50.0, 10_000_000.0),
}
"""The eight levers. Money is in the data's currency, counts are per month."""

START_LEVER = "current_member_count"
"""The lever that sets the starting point; it is not held over months and can't be part of a lever plan."""


@lru_cache(8192)
def lever_bounds(lever: str, shown_min: float = math.nan, shown_max: float = math.nan) -> Range:
    """Lowest and highest value allowed for `lever`: the static bounds, widened to half the smallest and twice
    the largest observed value of the studio (for a new one: of the panel), NaN if none; a rate stays in 0..1.

    Raises:
        LeverError: there is no such lever.
    """
    static = LEVER_BOUNDS.get(lever)
    if static is None:
        raise LeverError(f"There is no lever {lever!r}.", f"The levers are {', '.join(LEVER_BOUNDS)}.")
    low = min(static.low, shown_min / 2) if math.isfinite(shown_min) else static.low
    high = max(static.high, shown_max * 2) if math.isfinite(shown_max) else static.high
    return (max(low, 0.0), min(high, 1.0)) if static.is_rate else (max(low, 0.0), high)


def check_levers(
    levers: Mapping[str, float], shown: Mapping[str, Range] | None = None, where: str = "levers"
) -> None:
    """Refuse a lever that is unknown, not a finite number, or out of its bounds.

    `shown`: lever to its smallest and largest observed value, if any; `where`: the field of the request.

    Raises:
        LeverError: naming every wrong lever, its value and its bounds.
    """
    wrong = [problem for lever, value in levers.items() if (problem := _problem(lever, value, shown or {}))]
    if wrong:
        raise LeverError(
            f"{where}: {'; '.join(wrong)}.", "Give values within the bounds, or leave the lever free."
        )


def check_lever_plan(
    steps: Sequence[LeverStep], projection_months: int, shown: Mapping[str, Range] | None = None
) -> None:
    """Refuse a plan with a month twice or outside 1..`projection_months`, a starting point, or a lever out of
    bounds.

    Raises:
        LeverError: naming the step by its index in the plan.
    """
    first_places: dict[int, int] = {}
    for place, step in enumerate(steps):
        where = f"lever_plan[{place}]"
        if not 1 <= step.from_month <= projection_months:
            raise LeverError(
                f"{where}: from_month {step.from_month} is not one of the months 1 to {projection_months}.",
                "Project more months, or let the step start earlier.",
            )
        if (first := first_places.setdefault(step.from_month, place)) != place:
            raise LeverError(
                f"{where}: from_month {step.from_month} is that of lever_plan[{first}] too.",
                "Put the levers that change in one month into one step.",
            )
        if START_LEVER in step.levers:
            raise LeverError(
                f"{where}: {START_LEVER} is where the projection starts and can't change later.",
                "Give it under levers, and plan new_members_monthly or retention_rate instead.",
            )
        check_levers(step.levers, shown, where)


def _problem(lever: str, value: float, shown: Mapping[str, Range]) -> str | None:
    low, high = lever_bounds(lever, *shown.get(lever, (math.nan, math.nan)))
    if not math.isfinite(value):
        return f"{lever} is {value}, which is not a finite number"
    if not low <= value <= high:
        return f"{lever} is {value:.9g}, but this studio takes from {low:.9g} to {high:.9g}"
    return None
