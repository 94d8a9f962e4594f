"""Levers in words."""

from __future__ import annotations

from collections.abc import Callable

from studio_pipeline.planning.recommendations import Recommendation
from studio_pipeline.planning.wording import amount, count, percent

_WORDS: dict[str, tuple[str, Callable[[float], str]]] = {
    "avg_ticket_price": ("the monthly ticket", amount),
    "retention_rate": ("the monthly retention", percent),
    "new_members_monthly": ("the new members of a month", count),
    "class_attendance_rate": ("the attendance of classes", percent),
    "total_classes_held": ("the classes of a month", count),
    "staff_utilization_rate": ("the utilisation of staff", percent),
    "upsell_rate": ("the share of members who buy extras", percent),
    "current_member_count": ("the members to start with", count),
}


def lever_words(lever: str) -> str:
    """What a lever is called in a sentence."""
    return _WORDS[lever][0]


def lever_value(lever: str, value: float) -> str:
    """A lever's value in a sentence."""
    return _WORDS[lever][1](value)


def step_sentence(step: Recommendation) -> str:
    """What to do, such as "Raise the monthly ticket from 150.00 to 157.50."."""
    verb = "Raise" if step.proposed > step.current else "Lower"
    return (
        f"{verb} {lever_words(step.lever)} from {lever_value(step.lever, step.current)} to "
        f"{lever_value(step.lever, step.proposed)}."
    )
