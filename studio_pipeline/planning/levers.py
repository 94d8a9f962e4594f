"""Levers of a plan: their indices in plan arrays, groups of levers, and the names of their limits."""

from __future__ import annotations

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS

RETENTION, TICKET, ATTENDANCE, NEW, STAFF, UPSELL, CLASSES = range(len(HELD_LEVERS))
"""Indices into `HELD_LEVERS`, and so rows of plan arrays."""

WHOLE = (NEW, CLASSES)
"""Indices of the levers with whole-number values."""

RESPONDING = (RETENTION, NEW)
"""Indices of the levers that respond to the others; only effort above the response costs."""

RATES = (RETENTION, ATTENDANCE, STAFF, UPSELL)
"""Indices of the levers that lie in 0..1."""

SHORT_NAMES: dict[str, str] = {
    "retention_rate": "retention",
    "avg_ticket_price": "ticket",
    "class_attendance_rate": "attendance",
    "new_members_monthly": "new_members",
    "staff_utilization_rate": "staff_utilization",
    "upsell_rate": "upsell",
    "total_classes_held": "classes",
}
"""Lever to its name within the names of limits."""

INCREASE_LIMITS: dict[str, str] = {lever: f"max_{short}_increase" for lever, short in SHORT_NAMES.items()}
DECREASE_LIMITS: dict[str, str] = {lever: f"max_{short}_decrease" for lever, short in SHORT_NAMES.items()}

SMOOTH = (RETENTION, TICKET, ATTENDANCE, UPSELL)
"""Indices of the levers of which revenue is a smooth function."""


def one_unit(place: int) -> float:
    """Unit of a lever: 0.01 for rates, else 1 (of currency, members, classes)."""
    return 0.01 if place in RATES else 1.0
