"""The one feature function: from a window of months to one row of features, for training and serving alike.

A window holds the last `WINDOW_MONTHS` months of each studio up to and including the base month, so nothing
later can enter. Every money feature is a ratio or a difference of logarithms: in another currency it is the
same number. Missing values are filled with 0 and marked by the `has_*` features, so that every learner sees
the same row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray

WINDOW_MONTHS = 25


@dataclass(frozen=True)
class FeatureDescription:
    """One column of the feature store.

    Attributes:
        name: the column.
        unit: "log ratio", "share", "rate", "count", "flag", ...
        description: what a value means.
    """

    name: str
    unit: str
    description: str


@dataclass(frozen=True)
class Windows:
    """Windows of N base months.

    Attributes:
        values: column of the contract to an (N, WINDOW_MONTHS) array; the last entry is the base month, NaN
            where unknown.
        calendar_month: (N,) 0..11 of the base month.
    """

    values: Mapping[str, FloatArray]
    calendar_month: IntArray

    def at(self, column: str, months_ago: int = 0) -> FloatArray:
        """(N,) a column so many months before the base month."""
        return self.values[column][:, WINDOW_MONTHS - 1 - months_ago]

    def mean(self, column: str, months: int, months_ago: int = 0) -> FloatArray:
        """(N,) mean over `months` months that end `months_ago` before the base month; NaN where none is
        known.
        """
        end = WINDOW_MONTHS - months_ago
        part = self.values[column][:, end - months : end]
        seen = np.isfinite(part)
        return np.asarray(_ratio(np.where(seen, part, 0.0).sum(1), seen.sum(1).astype(float)))


Formula = Callable[[Windows], FloatArray]


def _ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b > 0, a / b, np.nan)


def _log_ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    """Log of a over b, kept within a factor of e**3; NaN where either is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((a > 0) & (b > 0), np.clip(np.log(a / b), -3, 3), np.nan)


def _now(column: str) -> Formula:
    return lambda w: w.at(column)


def _change(column: str, months: int) -> Formula:
    return lambda w: _log_ratio(w.at(column), w.at(column, months))


def _difference(column: str, months: int) -> Formula:
    return lambda w: w.at(column) - w.at(column, months)


def _against_mean(column: str, months: int) -> Formula:
    return lambda w: _log_ratio(w.at(column), w.mean(column, months))


def _deviation(column: str, months: int) -> Formula:
    return lambda w: w.at(column) - w.mean(column, months)


def _momentum(column: str, short: int, long: int) -> Formula:
    return lambda w: _log_ratio(w.mean(column, short), w.mean(column, long))


def _volatility(column: str, months: int) -> Formula:
    def formula(w: Windows) -> FloatArray:
        values = w.values[column][:, WINDOW_MONTHS - 1 - months :]
        steps = _log_ratio(values[:, 1:], values[:, :-1])
        seen = np.isfinite(steps)
        count = seen.sum(1)
        kept = np.where(seen, steps, 0.0)
        mean = kept.sum(1) / np.maximum(count, 1)
        variance = (np.where(seen, steps - mean[:, None], 0.0) ** 2).sum(1) / np.maximum(count - 1, 1)
        return np.where(count >= 2, np.sqrt(variance), np.nan)

    return formula


def _share(part: str, months: int = 1) -> Formula:
    return lambda w: _ratio(w.mean(part, months), w.mean("total_revenue", months))


def _revenue_per_member(w: Windows) -> FloatArray:
    here = _ratio(w.at("total_revenue"), w.at("total_members"))
    return _log_ratio(here, _ratio(w.mean("total_revenue", 12), w.mean("total_members", 12)))


def _lifetime_months(w: Windows) -> FloatArray:
    return np.asarray(np.log(1 / np.maximum(1 - w.mean("retention_rate", 6), 0.005)))


def _lifetime_value(w: Windows) -> FloatArray:
    """Tickets that a member pays in a lifetime at today's retention, times today's ticket over the year's."""
    return _lifetime_months(w) + _log_ratio(w.at("avg_ticket_price"), w.mean("avg_ticket_price", 12))


def _history_months(w: Windows) -> FloatArray:
    return np.asarray(np.isfinite(w.values["total_revenue"]).sum(1) / WINDOW_MONTHS)


def _has(column: str) -> Formula:
    return lambda w: np.isfinite(w.at(column)).astype(float)


def _log_members(w: Windows) -> FloatArray:
    return np.log1p(w.at("total_members"))


def _product(a: Formula, b: Formula) -> Formula:
    return lambda w: a(w) * b(w)


def _cycle(wave: Callable[[FloatArray], FloatArray]) -> Formula:
    return lambda w: wave(2 * np.pi * w.calendar_month / 12)


def _in_months(*months: int) -> Formula:
    return lambda w: np.isin(w.calendar_month + 1, months).astype(float)


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
_PARTS = ("membership", "class_pack", "retail", "upsell", "other")

Entry = tuple[FeatureDescription, Formula]


def _entry(name: str, unit: str, description: str, formula: Formula) -> Entry:
    return FeatureDescription(name, unit, description), formula


def _levers() -> list[Entry]:
    direct = [
        _entry(f"{short}_rate_now", "rate", f"{column} of the base month.", _now(column))
        for column, short in _RATES.items()
    ]
    return [
        *direct,
        _entry(
            "ticket_against_year",
            "log ratio",
            "Ticket against its 12-month mean.",
            _against_mean("avg_ticket_price", 12),
        ),
        _entry(
            "new_member_share",
            "share",
            "New members per member.",
            lambda w: _ratio(w.at("new_members"), w.at("total_members")),
        ),
        _entry(
            "classes_per_member",
            "classes",
            "Classes held per member.",
            lambda w: _ratio(w.at("total_classes_held"), w.at("total_members")),
        ),
        _entry("members_log", "log count", "Members at the month's end, log of 1 + count.", _log_members),
    ]


def _derived() -> list[Entry]:
    mix = [
        _entry(
            f"{part}_share",
            "share",
            f"Share of {part} revenue in the last 3 months.",
            _share(f"{part}_revenue", 3),
        )
        for part in _PARTS
    ]
    return [
        _entry(
            "revenue_per_member_against_year",
            "log ratio",
            "Revenue per member against its 12-month mean.",
            _revenue_per_member,
        ),
        _entry(
            "churn_rate_mean_3",
            "rate",
            "Members lost per member, 3-month mean.",
            lambda w: 1 - w.mean("retention_rate", 3),
        ),
        _entry(
            "class_utilization",
            "share",
            "Attendance over seats offered in 3 months.",
            lambda w: _ratio(
                w.mean("total_class_attendance", 3),
                w.mean("total_classes_held", 3) * w.mean("class_capacity", 3),
            ),
        ),
        _entry(
            "staff_per_member",
            "people",
            "Staff per member.",
            lambda w: _ratio(w.at("staff_count"), w.at("total_members")),
        ),
        _entry(
            "lifetime_months_log",
            "log months",
            "Expected months that a member stays, at 6 months' retention.",
            _lifetime_months,
        ),
        _entry(
            "lifetime_value_against_year",
            "log tickets",
            "Tickets paid in a member's life, at today's price over the year's.",
            _lifetime_value,
        ),
        *mix,
    ]


def _lags() -> list[Entry]:
    changes = [
        _entry(
            f"{short}_change_{k}", "log ratio", f"{column} against {k} month(s) before.", _change(column, k)
        )
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
        _entry(
            f"{_RATES[column]}_difference_{k}",
            "rate points",
            f"{column} less that of {k} month(s) before.",
            _difference(column, k),
        )
        for column in ("retention_rate", "class_attendance_rate")
        for k in (1, 12)
    ]
    return changes + differences


def _rolling() -> list[Entry]:
    against = [
        _entry(
            f"{_AMOUNTS[column]}_against_mean_{k}",
            "log ratio",
            f"{column} against its {k}-month mean.",
            _against_mean(column, k),
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
        _entry(
            f"{short}_deviation_{k}",
            "rate points",
            f"{column} less its {k}-month mean.",
            _deviation(column, k),
        )
        for column, short in _RATES.items()
        for k in (3, 12)
    ]
    momentum = [
        _entry(
            f"{_AMOUNTS[column]}_momentum",
            "log ratio",
            f"{column}: 3-month mean against 12-month mean.",
            _momentum(column, 3, 12),
        )
        for column in ("total_revenue", "total_members", "new_members", "churned_members")
    ]
    volatility = [
        _entry(
            f"{_AMOUNTS[column]}_volatility_{k}",
            "log ratio",
            f"Standard deviation of monthly log changes of {column}, {k} months.",
            _volatility(column, k),
        )
        for column in ("total_revenue", "total_members")
        for k in (6, 12)
    ]
    means = [
        _entry("retention_mean_6", "rate", "Retention, 6-month mean.", lambda w: w.mean("retention_rate", 6)),
        _entry(
            "retention_mean_12", "rate", "Retention, 12-month mean.", lambda w: w.mean("retention_rate", 12)
        ),
        _entry(
            "attendance_mean_3",
            "rate",
            "Attendance rate, 3-month mean.",
            lambda w: w.mean("class_attendance_rate", 3),
        ),
    ]
    return against + deviations + momentum + volatility + means


def _interactions() -> list[Entry]:
    ticket = _against_mean("avg_ticket_price", 12)
    return [
        _entry(
            "ticket_x_retention",
            "log ratio",
            "Ticket against its year, times retention.",
            _product(ticket, lambda w: w.mean("retention_rate", 3)),
        ),
        _entry(
            "ticket_x_upsell",
            "log ratio",
            "Ticket against its year, times upsell rate.",
            _product(ticket, lambda w: w.at("upsell_rate")),
        ),
        _entry(
            "attendance_x_retention",
            "rate",
            "Attendance rate times retention, 3-month means.",
            lambda w: w.mean("class_attendance_rate", 3) * w.mean("retention_rate", 3),
        ),
        _entry(
            "attendance_x_staff",
            "rate",
            "Attendance rate times staff utilisation.",
            lambda w: w.at("class_attendance_rate") * w.at("staff_utilization_rate"),
        ),
        _entry(
            "growth_x_volatility",
            "log ratio",
            "3-month revenue growth times its 12-month volatility.",
            _product(_change("total_revenue", 3), _volatility("total_revenue", 12)),
        ),
    ]


def _calendar() -> list[Entry]:
    return [
        _entry("month_sin", "cycle", "Sine of the base month in the year.", _cycle(np.sin)),
        _entry("month_cos", "cycle", "Cosine of the base month in the year.", _cycle(np.cos)),
        _entry("is_january", "flag", "The base month is January.", _in_months(1)),
        _entry("is_summer", "flag", "The base month is June, July or August.", _in_months(6, 7, 8)),
        _entry("is_december", "flag", "The base month is December.", _in_months(12)),
    ]


def _presence() -> list[Entry]:
    flags = [
        _entry(f"has_{name}", "flag", f"The base month has {column}.", _has(column))
        for name, column in (
            ("members", "total_members"),
            ("new_members", "new_members"),
            ("classes", "total_classes_held"),
            ("split", "membership_revenue"),
        )
    ]
    return [
        _entry("history_share", "share", f"Known months among the last {WINDOW_MONTHS}.", _history_months),
        *flags,
    ]


def feature_table() -> tuple[Entry, ...]:
    """Every feature with its description and formula, in the order of the columns."""
    return (*_levers(), *_derived(), *_lags(), *_rolling(), *_interactions(), *_calendar(), *_presence())


_TABLE = feature_table()
FEATURES: tuple[FeatureDescription, ...] = tuple(description for description, _ in _TABLE)
FEATURE_NAMES: tuple[str, ...] = tuple(f.name for f in FEATURES)


def origin_features(windows: Windows) -> FloatArray:
    """(N, F) features of N base months, in the order of `FEATURES`; unknown values are 0."""
    columns = [formula(windows) for _, formula in _TABLE]
    return np.nan_to_num(np.stack(columns, 1), nan=0.0, posinf=0.0, neginf=0.0)
