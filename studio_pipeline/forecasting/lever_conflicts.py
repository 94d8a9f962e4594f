"""Given levers that contradict each other: a projection holds them all the same, and says what does not
fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from studio_pipeline.forecasting.bounds import START_LEVER, Range
from studio_pipeline.forecasting.queries import LeverEffect

MOST_VISITS = 1.5
MOST_WORK = 1.5
CLEAR_RISE = 1.05
CLEAR_POINTS = 0.03
STANDARD_ERRORS = 2.0
BOLD_PRICE = 1.5
"""Where contradictions begin; a planner keeps its plans on this side of them."""

Levers = Mapping[str, float]
Shown = Mapping[str, Range]
Usual = Callable[[str], float]
Effects = Mapping[str, Mapping[str, LeverEffect]]


def conflicts(held: Levers, shown: Shown, usual: Usual, effects: Effects) -> list[str]:
    """A sentence for each contradiction among levers that are held together.

    Args:
        held: lever to its value.
        shown: lever to the smallest and largest value the studio has shown.
        usual: level in the first month without the levers: of a lever, of `visits` a member, of
            `class_capacity`; NaN where unknown.
        effects: flow to regressor to the response of the studio's members.
    """
    found = [
        _empty_classes(held, usual),
        _overstretched_staff(held, usual),
        _loyal_at_any_price(held, usual, effects),
        _popular_at_any_price(held, shown, usual),
    ]
    return [sentence for sentence in found if sentence]


def _empty_classes(held: Levers, usual: Usual) -> str:
    """An attendance that the members there are don't produce in the classes given."""
    rate = held.get("class_attendance_rate")
    if rate is None or not (held.keys() & {"total_classes_held", START_LEVER}):
        return ""
    classes = held.get("total_classes_held", usual("total_classes_held"))
    members = held.get(START_LEVER, usual(START_LEVER))
    usual_visits, capacity = usual("visits"), usual("class_capacity")
    needed = rate * classes * capacity / members if members > 0 else math.nan
    if not needed > MOST_VISITS * usual_visits:
        return ""
    return (
        f"class_attendance_rate {rate:g} in {classes:.0f} classes takes {needed:.1f} visits a member and "
        f"month, but members come {usual_visits:.1f} times: plan fewer classes or a lower rate."
    )


def _overstretched_staff(held: Levers, usual: Usual) -> str:
    """Classes and utilisation that together need much more, or leave much less, paid work than there is."""
    classes, utilization = held.get("total_classes_held"), held.get("staff_utilization_rate")
    if classes is None or not utilization:
        return ""
    today = usual("total_classes_held") / usual("staff_utilization_rate")
    work = classes / utilization / today if today > 0 else 1.0
    if 1 / MOST_WORK <= work <= MOST_WORK:
        return ""
    return (
        f"total_classes_held {classes:g} at staff_utilization_rate {utilization:g} takes {work:.1f} times "
        "today's paid hours: hire or let go accordingly, or change one of the two."
    )


def _loyal_at_any_price(held: Levers, usual: Usual, effects: Effects) -> str:
    """A retention that members don't show at the price given, as far as is known of them."""
    retention, price = held.get("retention_rate"), held.get("avg_ticket_price")
    response = effects.get("retention", {}).get("price")
    if retention is None or price is None or response is None:
        return ""
    ticket, today = usual("avg_ticket_price"), usual("retention_rate")
    if not price > CLEAR_RISE * ticket > 0 or not 0 < today < 1:
        return ""
    rise = math.log(price / ticket)
    expected = 1 / (1 + (1 - today) / today * math.exp(-response.effect * rise))
    error = expected * (1 - expected) * response.standard_error * rise
    if retention <= expected + max(STANDARD_ERRORS * error, CLEAR_POINTS):
        return ""
    return (
        f"At avg_ticket_price {price:g} members stay at a rate of about {expected:.3f}, not {retention:g}: "
        "leave retention_rate free, or plan what is to keep them."
    )


def _popular_at_any_price(held: Levers, shown: Shown, usual: Usual) -> str:
    """More new members than ever while the price leaps."""
    new, price = held.get("new_members_monthly"), held.get("avg_ticket_price")
    if new is None or price is None or "new_members_monthly" not in shown:
        return ""
    ticket, most = usual("avg_ticket_price"), shown["new_members_monthly"][1]
    if not (price >= BOLD_PRICE * ticket > 0 and new > most):
        return ""
    return (
        f"new_members_monthly {new:g} is more than ever (at most {most:g}) while the price is "
        f"{price / ticket:.1f} times today's: leave one of the two free to see what to expect."
    )
