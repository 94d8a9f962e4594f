"""Formatting of figures and levers as text: amounts, counts, rates, months and recommended steps."""

from __future__ import annotations

from collections.abc import Callable

from studio_pipeline.planning.insights.recommendations import Recommendation

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_LARGE, _MIDDLING = 1000.0, 10.0


def amount(value: float) -> str:
    """Formats money: whole numbers from 1,000 on, else two decimals."""
    return _without_negative_zero(f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:,.2f}")


def count(value: float) -> str:
    """Formats members and classes: whole numbers from 10 on, else one decimal."""
    digits = 0 if abs(value) >= _MIDDLING or value == round(value) else 1
    return _without_negative_zero(f"{value:,.{digits}f}")


def percent(rate: float) -> str:
    """Formats a rate 0..1 as percent with at most one decimal."""
    shown = f"{100 * rate:,.1f}"
    return _without_negative_zero(shown.removesuffix(".0")) + " %"


def month_name(month: str) -> str:
    """Formats YYYY-MM as the month's name and the year."""
    return f"{_MONTHS[int(month[5:7]) - 1]} {month[:4]}"


def _without_negative_zero(shown: str) -> str:
    return shown[1:] if shown.startswith("-") and not shown.strip("-0.,") else shown


_FORMATS: dict[str, tuple[str, Callable[[float], str]]] = {
    "avg_ticket_price": ("the monthly ticket", amount),
    "retention_rate": ("the monthly retention", percent),
    "new_members_monthly": ("the new members of a month", count),
    "class_attendance_rate": ("the attendance of classes", percent),
    "total_classes_held": ("the classes of a month", count),
    "staff_utilization_rate": ("the utilisation of staff", percent),
    "upsell_rate": ("the share of members who buy extras", percent),
    "current_member_count": ("the members to start with", count),
}


def lever_text(lever: str) -> str:
    """Name of a lever within a sentence."""
    return _FORMATS[lever][0]


def lever_value(lever: str, value: float) -> str:
    """Value of a lever within a sentence."""
    return _FORMATS[lever][1](value)


def step_sentence(step: Recommendation) -> str:
    """A step as a sentence, such as "Raise the monthly ticket from 150.00 to 157.50."."""
    verb = "Raise" if step.proposed > step.current else "Lower"
    return (
        f"{verb} {lever_text(step.lever)} from {lever_value(step.lever, step.current)} to "
        f"{lever_value(step.lever, step.proposed)}."
    )
