"""Base-month features: levers, derived metrics, the calendar, and flags of known columns.

Features that compare months are in `lag_features`, the formulas in `formulas`.
"""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.features.formulas import (
    PARTS,
    RATES,
    WINDOW_MONTHS,
    Entry,
    against_mean,
    cycle,
    entry,
    has,
    history_months,
    in_months,
    lifetime_months,
    lifetime_value,
    log_members,
    now,
    ratio,
    revenue_per_member,
    share,
)


def lever_features() -> list[Entry]:
    """Direct levers, as observed in the base month."""
    direct = [
        entry(f"{short}_rate_now", "rate", f"{column} of the base month.", now(column))
        for column, short in RATES.items()
    ]
    return [
        *direct,
        entry(
            "ticket_against_year",
            "log ratio",
            "Ticket against its 12-month mean.",
            against_mean("avg_ticket_price", 12),
        ),
        entry(
            "new_member_share",
            "share",
            "New members per member.",
            lambda w: ratio(w.at("new_members"), w.at("total_members")),
        ),
        entry(
            "classes_per_member",
            "classes",
            "Classes held per member.",
            lambda w: ratio(w.at("total_classes_held"), w.at("total_members")),
        ),
        entry("members_log", "log count", "Members at the month's end, log of 1 + count.", log_members),
    ]


def derived_features() -> list[Entry]:
    """Metrics derived from levers and revenue."""
    mix = [
        entry(
            f"{part}_share",
            "share",
            f"Share of {part} revenue in the last 3 months.",
            share(f"{part}_revenue", 3),
        )
        for part in PARTS
    ]
    return [
        entry(
            "revenue_per_member_against_year",
            "log ratio",
            "Revenue per member against its 12-month mean.",
            revenue_per_member,
        ),
        entry(
            "churn_rate_mean_3",
            "rate",
            "Members lost per member, 3-month mean.",
            lambda w: 1 - w.mean("retention_rate", 3),
        ),
        entry(
            "class_utilization",
            "share",
            "Attendance over seats offered in 3 months.",
            lambda w: ratio(
                w.mean("total_class_attendance", 3),
                w.mean("total_classes_held", 3) * w.mean("class_capacity", 3),
            ),
        ),
        entry(
            "staff_per_member",
            "people",
            "Staff per member.",
            lambda w: ratio(w.at("staff_count"), w.at("total_members")),
        ),
        entry(
            "lifetime_months_log",
            "log months",
            "Expected months that a member stays, at 6 months' retention.",
            lifetime_months,
        ),
        entry(
            "lifetime_value_against_year",
            "log tickets",
            "Tickets paid in a member's life, at today's price over the year's.",
            lifetime_value,
        ),
        *mix,
    ]


def calendar_features() -> list[Entry]:
    """Position of the base month in the year."""
    return [
        entry("month_sin", "cycle", "Sine of the base month in the year.", cycle(np.sin)),
        entry("month_cos", "cycle", "Cosine of the base month in the year.", cycle(np.cos)),
        entry("is_january", "flag", "The base month is January.", in_months(1)),
        entry("is_summer", "flag", "The base month is June, July or August.", in_months(6, 7, 8)),
        entry("is_december", "flag", "The base month is December.", in_months(12)),
    ]


def presence_features() -> list[Entry]:
    """Flags of known columns, and the share of known months."""
    flags = [
        entry(f"has_{name}", "flag", f"The base month has {column}.", has(column))
        for name, column in (
            ("members", "total_members"),
            ("new_members", "new_members"),
            ("classes", "total_classes_held"),
            ("split", "membership_revenue"),
        )
    ]
    return [
        entry("history_share", "share", f"Known months among the last {WINDOW_MONTHS}.", history_months),
        *flags,
    ]
