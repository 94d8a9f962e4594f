"""Columns of the monthly input files, and the eight levers: one table for schemas, readers and descriptions.

Derived values are computed in `validation.derivation`; bounds of levers are in `forecasting.base.bounds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kind of a column's values; it determines how they are parsed and checked."""

    TEXT = "text"
    MONTH = "month"
    MONEY = "currency"
    COUNT = "count"
    RATE = "rate 0..1"


@dataclass(frozen=True)
class Column:
    """One column of the months, named the same in every table; a row without a required one is rejected."""

    name: str
    kind: Kind
    description: str
    required: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("studio_id", Kind.TEXT, "The studio: one location with its own months.", required=True),
    Column("month_year", Kind.MONTH, "The calendar month, as its first day.", required=True),
    Column("studio_type", Kind.TEXT, "Yoga, Pilates, CrossFit, Cycling, Dance, ..."),
    Column("total_members", Kind.COUNT, "Active paying members at the month's end, or customers served."),
    Column("new_members", Kind.COUNT, "Members who joined in the month."),
    Column("churned_members", Kind.COUNT, "Members who left in the month."),
    Column("retention_rate", Kind.RATE, "1 - churned members / members of the month before."),
    Column("avg_ticket_price", Kind.MONEY, "Membership revenue (or total revenue) per member in the month."),
    Column("total_classes_held", Kind.COUNT, "Classes held in the month."),
    Column("total_class_attendance", Kind.COUNT, "Attendances summed over the month's classes."),
    Column("class_attendance_rate", Kind.RATE, "Attendance / (classes held x seats per class)."),
    Column("class_capacity", Kind.COUNT, "Seats per class."),
    Column("staff_count", Kind.COUNT, "People on the payroll."),
    Column("staff_utilization_rate", Kind.RATE, "Hours worked with clients / hours paid."),
    Column("upsell_rate", Kind.RATE, "Members who bought an extra / members."),
    Column("membership_revenue", Kind.MONEY, "Revenue from memberships."),
    Column("class_pack_revenue", Kind.MONEY, "Revenue from class packs."),
    Column("retail_revenue", Kind.MONEY, "Revenue from goods sold."),
    Column("upsell_revenue", Kind.MONEY, "Revenue from extras."),
    Column("other_revenue", Kind.MONEY, "Revenue from anything else."),
    Column("total_revenue", Kind.MONEY, "All revenue: refunds taken off, tax out.", required=True),
)

KEYS: tuple[str, str] = ("studio_id", "month_year")
NUMERIC_COLUMNS: tuple[str, ...] = tuple(c.name for c in COLUMNS if c.kind not in (Kind.TEXT, Kind.MONTH))
MONEY_COLUMNS: tuple[str, ...] = tuple(c.name for c in COLUMNS if c.kind is Kind.MONEY)
RATE_COLUMNS: tuple[str, ...] = tuple(c.name for c in COLUMNS if c.kind is Kind.RATE)
COUNT_COLUMNS: tuple[str, ...] = tuple(c.name for c in COLUMNS if c.kind is Kind.COUNT)

REVENUE_PARTS = ("membership_revenue", "class_pack_revenue", "retail_revenue", "upsell_revenue")
MAY_BE_NEGATIVE: tuple[str, ...] = (*REVENUE_PARTS, "other_revenue")
"""Parts of revenue that refunds may make negative in a month."""

LEVER_COLUMNS: dict[str, str] = {
    "retention_rate": "retention_rate",
    "avg_ticket_price": "avg_ticket_price",
    "class_attendance_rate": "class_attendance_rate",
    "new_members_monthly": "new_members",
    "staff_utilization_rate": "staff_utilization_rate",
    "upsell_rate": "upsell_rate",
    "total_classes_held": "total_classes_held",
    "current_member_count": "total_members",
}
"""The eight levers, each with the column that it sets."""
