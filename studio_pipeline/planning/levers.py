"""Levers of a plan, and their places in its arrays."""

from __future__ import annotations

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS

RETENTION, TICKET, ATTENDANCE, NEW, STAFF, UPSELL, CLASSES = range(len(HELD_LEVERS))
"""Places of `HELD_LEVERS`."""

WHOLE = (NEW, CLASSES)
"""Places of the levers that only come in whole numbers."""

RESPONDING = (RETENTION, NEW)
"""Places of the levers that respond to the others; of them, effort above the response is paid."""

RATES = (RETENTION, ATTENDANCE, STAFF, UPSELL)
"""Places of the levers that lie in 0..1."""

SHORT_NAMES: dict[str, str] = {
    "retention_rate": "retention",
    "avg_ticket_price": "ticket",
    "class_attendance_rate": "attendance",
    "new_members_monthly": "new_members",
    "staff_utilization_rate": "staff_utilization",
    "upsell_rate": "upsell",
    "total_classes_held": "classes",
}
"""What limits call the levers."""

INCREASE_LIMITS: dict[str, str] = {lever: f"max_{short}_increase" for lever, short in SHORT_NAMES.items()}
DECREASE_LIMITS: dict[str, str] = {lever: f"max_{short}_decrease" for lever, short in SHORT_NAMES.items()}

SMOOTH = (RETENTION, TICKET, ATTENDANCE, UPSELL)
"""Places of the levers that revenue follows smoothly."""


def one_unit(place: int) -> float:
    """What one more unit of a lever is: a point of a rate, else one (of money, a member, a class)."""
    return 0.01 if place in RATES else 1.0
