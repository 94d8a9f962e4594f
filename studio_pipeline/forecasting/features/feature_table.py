"""Table of the features of a base month: name, unit, description and formula, in the order of the columns.

Levers, derived metrics, lags, rolling comparisons, interactions, the calendar and flags of known columns. The
formulas are in `formulas`, their application to a panel in `feature_function`.
"""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.features.formulas import (
    WINDOW_MONTHS,
    FeatureDescription,
    Formula,
    against_mean,
    change,
    class_utilization,
    cycle,
    deviation,
    difference,
    has,
    history_months,
    in_months,
    lifetime_months,
    lifetime_value,
    mean,
    momentum,
    now,
    per_member,
    product,
    revenue_per_member,
    share,
    volatility,
)

_RATES = {
    "retention_rate": "retention",
    "class_attendance_rate": "attendance",
    "staff_utilization_rate": "staff_utilization",
    "upsell_rate": "upsell",
}
_AMOUNTS = {
    "total_revenue": "revenue",
    "total_members": "members",
    "avg_ticket_price": "ticket",
    "new_members": "new_members",
    "churned_members": "churned_members",
    "total_classes_held": "classes",
    "total_class_attendance": "attendances",
}
_LAGS = {
    "total_revenue": (1, 2, 3, 6, 12),
    "total_members": (1, 3, 6, 12),
    "avg_ticket_price": (1, 3, 12),
    "new_members": (1, 12),
    "total_classes_held": (1, 6),
}
_MOVING = ("total_revenue", "total_members", "new_members", "churned_members")
_PARTS = ("membership", "class_pack", "retail", "upsell", "other")
_KNOWN = {
    "members": "total_members",
    "new_members": "new_members",
    "classes": "total_classes_held",
    "split": "membership_revenue",
}
_STAYS, _ATTENDS, _TICKET = "retention_rate", "class_attendance_rate", against_mean("avg_ticket_price", 12)
_LIFETIME = "Expected months that a member stays, at 6 months' retention."
_VALUE = "Tickets paid in a member's life, at today's price over the year's."
_GROWTH = "3-month revenue growth times its 12-month volatility."

_TABLE: tuple[tuple[str, str, str, Formula], ...] = (
    *(
        (f"{short}_rate_now", "rate", f"{name} of the base month.", now(name))
        for name, short in _RATES.items()
    ),
    ("ticket_against_year", "log ratio", "Ticket against its 12-month mean.", _TICKET),
    ("new_member_share", "share", "New members per member.", per_member("new_members")),
    ("classes_per_member", "classes", "Classes held per member.", per_member("total_classes_held")),
    (
        "members_log",
        "log count",
        "Members at the month's end, log of 1 + count.",
        lambda w: np.log1p(w.at("total_members")),
    ),
    (
        "revenue_per_member_against_year",
        "log ratio",
        "Revenue per member against its 12-month mean.",
        revenue_per_member,
    ),
    ("churn_rate_mean_3", "rate", "Members lost per member, 3-month mean.", lambda w: 1 - w.mean(_STAYS, 3)),
    ("class_utilization", "share", "Attendance over seats offered in 3 months.", class_utilization),
    ("staff_per_member", "people", "Staff per member.", per_member("staff_count")),
    ("lifetime_months_log", "log months", _LIFETIME, lifetime_months),
    ("lifetime_value_against_year", "log tickets", _VALUE, lifetime_value),
    *(
        (
            f"{part}_share",
            "share",
            f"Share of {part} revenue in the last 3 months.",
            share(f"{part}_revenue", 3),
        )
        for part in _PARTS
    ),
    *(
        (f"{_AMOUNTS[name]}_change_{k}", "log ratio", f"{name} against {k} month(s) before.", change(name, k))
        for name, lags in _LAGS.items()
        for k in lags
    ),
    *(
        (
            f"{_RATES[name]}_difference_{k}",
            "rate points",
            f"{name} less that of {k} month(s) before.",
            difference(name, k),
        )
        for name in (_STAYS, _ATTENDS)
        for k in (1, 12)
    ),
    *(
        (
            f"{_AMOUNTS[name]}_against_mean_{k}",
            "log ratio",
            f"{name} against its {k}-month mean.",
            against_mean(name, k),
        )
        for name in (*_MOVING, "total_class_attendance")
        for k in (3, 12)
    ),
    *(
        (f"{short}_deviation_{k}", "rate points", f"{name} less its {k}-month mean.", deviation(name, k))
        for name, short in _RATES.items()
        for k in (3, 12)
    ),
    *(
        (
            f"{_AMOUNTS[name]}_momentum",
            "log ratio",
            f"{name}: 3-month mean against 12-month mean.",
            momentum(name, 3, 12),
        )
        for name in _MOVING
    ),
    *(
        (
            f"{_AMOUNTS[name]}_volatility_{k}",
            "log ratio",
            f"Standard deviation of monthly log changes of {name}, {k} months.",
            volatility(name, k),
        )
        for name in ("total_revenue", "total_members")
        for k in (6, 12)
    ),
    ("retention_mean_6", "rate", "Retention, 6-month mean.", mean(_STAYS, 6)),
    ("retention_mean_12", "rate", "Retention, 12-month mean.", mean(_STAYS, 12)),
    ("attendance_mean_3", "rate", "Attendance rate, 3-month mean.", mean(_ATTENDS, 3)),
    (
        "ticket_x_retention",
        "log ratio",
        "Ticket against its year, times retention.",
        product(_TICKET, mean(_STAYS, 3)),
    ),
    (
        "ticket_x_upsell",
        "log ratio",
        "Ticket against its year, times upsell rate.",
        product(_TICKET, now("upsell_rate")),
    ),
    (
        "attendance_x_retention",
        "rate",
        "Attendance rate times retention, 3-month means.",
        product(mean(_ATTENDS, 3), mean(_STAYS, 3)),
    ),
    (
        "attendance_x_staff",
        "rate",
        "Attendance rate times staff utilisation.",
        product(now(_ATTENDS), now("staff_utilization_rate")),
    ),
    (
        "growth_x_volatility",
        "log ratio",
        _GROWTH,
        product(change("total_revenue", 3), volatility("total_revenue", 12)),
    ),
    ("month_sin", "cycle", "Sine of the base month in the year.", cycle(np.sin)),
    ("month_cos", "cycle", "Cosine of the base month in the year.", cycle(np.cos)),
    ("is_january", "flag", "The base month is January.", in_months(1)),
    ("is_summer", "flag", "The base month is June, July or August.", in_months(6, 7, 8)),
    ("is_december", "flag", "The base month is December.", in_months(12)),
    ("history_share", "share", f"Known months among the last {WINDOW_MONTHS}.", history_months),
    *(
        (f"has_{name}", "flag", f"The base month has {column}.", has(column))
        for name, column in _KNOWN.items()
    ),
)
FEATURES: tuple[FeatureDescription, ...] = tuple(FeatureDescription(*row[:3]) for row in _TABLE)
FORMULAS: tuple[Formula, ...] = tuple(row[3] for row in _TABLE)
