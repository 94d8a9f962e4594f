"""Figures and levers as text: amounts, counts, rates and months."""

from __future__ import annotations

from collections.abc import Callable

from studio_pipeline.planning.insights.recommendations import Recommendation

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_LARGE, _MIDDLING = 1000.0, 10.0


def amount(value: float) -> str:
    """Money: whole from a thousand on, else to a hundredth."""
    return _without_negative_zero(f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:,.2f}")


def count(value: float) -> str:
    """Members and classes: whole from ten on, else to a tenth."""
    digits = 0 if abs(value) >= _MIDDLING or value == round(value) else 1
    return _without_negative_zero(f"{value:,.{digits}f}")


def percent(rate: float) -> str:
    """A rate 0..1 as percent: whole where it is, else to a tenth."""
    shown = f"{100 * rate:,.1f}"
    return _without_negative_zero(shown.removesuffix(".0")) + " %"


def month_name(month: str) -> str:
    """YYYY-MM as its name and year."""
    return f"{_MONTHS[int(month[5:7]) - 1]} {month[:4]}"


def _without_negative_zero(shown: str) -> str:
    return shown[1:] if shown.startswith("-") and not shown.strip("-0.,") else shown


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
