"""Figures in words: amounts, counts, rates and months, with as many digits as a reader needs."""

from __future__ import annotations

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
