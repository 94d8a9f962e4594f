"""Lag features: changes against earlier months, rolling means, momentum, volatility and interactions.

Features of the base month alone are in `base_month_features`, the formulas in `formulas`.
"""

from __future__ import annotations

from studio_pipeline.forecasting.features.formulas import (
    AMOUNTS,
    RATES,
    Entry,
    against_mean,
    change,
    deviation,
    difference,
    entry,
    momentum,
    product,
    volatility,
)


def lag_features() -> list[Entry]:
    """Changes against earlier months."""
    changes = [
        entry(f"{short}_change_{k}", "log ratio", f"{column} against {k} month(s) before.", change(column, k))
        for column, short, lags in (
            ("total_revenue", "revenue", (1, 2, 3, 6, 12)),
            ("total_members", "members", (1, 3, 6, 12)),
            ("avg_ticket_price", "ticket", (1, 3, 12)),
            ("new_members", "new_members", (1, 12)),
            ("total_classes_held", "classes", (1, 6)),
        )
        for k in lags
    ]
    differences = [
        entry(
            f"{RATES[column]}_difference_{k}",
            "rate points",
            f"{column} less that of {k} month(s) before.",
            difference(column, k),
        )
        for column in ("retention_rate", "class_attendance_rate")
        for k in (1, 12)
    ]
    return changes + differences


def rolling_features() -> list[Entry]:
    """Comparisons with rolling means, momentum and volatility."""
    against = [
        entry(
            f"{AMOUNTS[column]}_against_mean_{k}",
            "log ratio",
            f"{column} against its {k}-month mean.",
            against_mean(column, k),
        )
        for column in (
            "total_revenue",
            "total_members",
            "new_members",
            "churned_members",
            "total_class_attendance",
        )
        for k in (3, 12)
    ]
    deviations = [
        entry(
            f"{short}_deviation_{k}",
            "rate points",
            f"{column} less its {k}-month mean.",
            deviation(column, k),
        )
        for column, short in RATES.items()
        for k in (3, 12)
    ]
    momenta = [
        entry(
            f"{AMOUNTS[column]}_momentum",
            "log ratio",
            f"{column}: 3-month mean against 12-month mean.",
            momentum(column, 3, 12),
        )
        for column in ("total_revenue", "total_members", "new_members", "churned_members")
    ]
    volatilities = [
        entry(
            f"{AMOUNTS[column]}_volatility_{k}",
            "log ratio",
            f"Standard deviation of monthly log changes of {column}, {k} months.",
            volatility(column, k),
        )
        for column in ("total_revenue", "total_members")
        for k in (6, 12)
    ]
    means = [
        entry("retention_mean_6", "rate", "Retention, 6-month mean.", lambda w: w.mean("retention_rate", 6)),
        entry(
            "retention_mean_12", "rate", "Retention, 12-month mean.", lambda w: w.mean("retention_rate", 12)
        ),
        entry(
            "attendance_mean_3",
            "rate",
            "Attendance rate, 3-month mean.",
            lambda w: w.mean("class_attendance_rate", 3),
        ),
    ]
    return against + deviations + momenta + volatilities + means


def interaction_features() -> list[Entry]:
    """Products of two other features."""
    ticket = against_mean("avg_ticket_price", 12)
    return [
        entry(
            "ticket_x_retention",
            "log ratio",
            "Ticket against its year, times retention.",
            product(ticket, lambda w: w.mean("retention_rate", 3)),
        ),
        entry(
            "ticket_x_upsell",
            "log ratio",
            "Ticket against its year, times upsell rate.",
            product(ticket, lambda w: w.at("upsell_rate")),
        ),
        entry(
            "attendance_x_retention",
            "rate",
            "Attendance rate times retention, 3-month means.",
            lambda w: w.mean("class_attendance_rate", 3) * w.mean("retention_rate", 3),
        ),
        entry(
            "attendance_x_staff",
            "rate",
            "Attendance rate times staff utilisation.",
            lambda w: w.at("class_attendance_rate") * w.at("staff_utilization_rate"),
        ),
        entry(
            "growth_x_volatility",
            "log ratio",
            "3-month revenue growth times its 12-month volatility.",
            product(change("total_revenue", 3), volatility("total_revenue", 12)),
        ),
    ]
