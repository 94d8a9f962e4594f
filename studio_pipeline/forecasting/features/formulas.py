"""Formulas of the features over windows of months; results don't depend on the currency.

A formula maps `Windows` of N base months to (N,) values, NaN where unknown. The list of features made of them
is in `feature_table`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray, ratio

WINDOW_MONTHS = 25


@dataclass(frozen=True)
class FeatureDescription:
    """One column of the feature store."""

    name: str  # name of the column
    unit: str  # "log ratio", "share", "rate", "count", "flag", ..
    description: str  # meaning of a value


@dataclass(frozen=True)
class Windows:
    """Windows of N base months."""

    # column of the contract to an (N, WINDOW_MONTHS) array; the last entry is the base month, NaN where
    # unknown
    values: Mapping[str, FloatArray]
    calendar_month: IntArray  # (N,) 0..11 of the base month

    def at(self, column: str, months_ago: int = 0) -> FloatArray:
        """(N,) values of a column `months_ago` months before the base month."""
        return self.values[column][:, WINDOW_MONTHS - 1 - months_ago]

    def mean(self, column: str, months: int) -> FloatArray:
        """(N,) mean over the last `months` months; NaN if none is known."""
        part = self.values[column][:, WINDOW_MONTHS - months :]
        seen = np.isfinite(part)
        return np.asarray(ratio(np.where(seen, part, 0.0).sum(1), seen.sum(1).astype(float)))


Formula = Callable[[Windows], FloatArray]


def log_ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    """Log of a / b, clipped to +-3; NaN where either is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((a > 0) & (b > 0), np.clip(np.log(a / b), -3, 3), np.nan)


def now(column: str) -> Formula:
    """Value of a column in the base month."""
    return lambda w: w.at(column)


def mean(column: str, months: int) -> Formula:
    """Mean of a column over the last `months`."""
    return lambda w: w.mean(column, months)


def per_member(column: str) -> Formula:
    """Ratio of a column to the members at the month's end."""
    return lambda w: ratio(w.at(column), w.at("total_members"))


def change(column: str, months: int) -> Formula:
    """Log ratio of a column to its value `months` before."""
    return lambda w: log_ratio(w.at(column), w.at(column, months))


def difference(column: str, months: int) -> Formula:
    """Difference of a column to its value `months` before."""
    return lambda w: w.at(column) - w.at(column, months)


def against_mean(column: str, months: int) -> Formula:
    """Log ratio of a column to its mean over the last `months`."""
    return lambda w: log_ratio(w.at(column), w.mean(column, months))


def deviation(column: str, months: int) -> Formula:
    """Difference of a column to its mean over the last `months`."""
    return lambda w: w.at(column) - w.mean(column, months)


def momentum(column: str, short: int, long: int) -> Formula:
    """Log ratio of a column's mean over `short` months to that over `long` months."""
    return lambda w: log_ratio(w.mean(column, short), w.mean(column, long))


def volatility(column: str, months: int) -> Formula:
    """Standard deviation of a column's monthly log changes over the last `months`."""

    def formula(w: Windows) -> FloatArray:
        values = w.values[column][:, WINDOW_MONTHS - 1 - months :]
        steps = log_ratio(values[:, 1:], values[:, :-1])
        seen = np.isfinite(steps)
        count = seen.sum(1)
        kept = np.where(seen, steps, 0.0)
        mean = kept.sum(1) / np.maximum(count, 1)
        variance = (np.where(seen, steps - mean[:, None], 0.0) ** 2).sum(1) / np.maximum(count - 1, 1)
        return np.where(count >= 2, np.sqrt(variance), np.nan)

    return formula


def class_utilization(w: Windows) -> FloatArray:
    """Attendance over seats offered in the last 3 months."""
    seats = w.mean("total_classes_held", 3) * w.mean("class_capacity", 3)
    return ratio(w.mean("total_class_attendance", 3), seats)


def share(part: str, months: int) -> Formula:
    """Ratio of a revenue part to total revenue, as means over the last `months`."""
    return lambda w: ratio(w.mean(part, months), w.mean("total_revenue", months))


def revenue_per_member(w: Windows) -> FloatArray:
    """Log ratio of revenue per member to its value over the last 12 months."""
    here = ratio(w.at("total_revenue"), w.at("total_members"))
    return log_ratio(here, ratio(w.mean("total_revenue", 12), w.mean("total_members", 12)))


def lifetime_months(w: Windows) -> FloatArray:
    """Log of a member's expected lifetime in months, at the retention of the last 6 months."""
    return np.asarray(np.log(1 / np.maximum(1 - w.mean("retention_rate", 6), 0.005)))


def lifetime_value(w: Windows) -> FloatArray:
    """Log of a member's expected lifetime times the ticket relative to its 12-month mean."""
    return lifetime_months(w) + log_ratio(w.at("avg_ticket_price"), w.mean("avg_ticket_price", 12))


def history_months(w: Windows) -> FloatArray:
    """Share of known months in the window."""
    return np.asarray(np.isfinite(w.values["total_revenue"]).sum(1) / WINDOW_MONTHS)


def has(column: str) -> Formula:
    """1 if a column is known in the base month, else 0."""
    return lambda w: np.isfinite(w.at(column)).astype(float)


def product(a: Formula, b: Formula) -> Formula:
    """Product of two formulas."""
    return lambda w: a(w) * b(w)


def cycle(wave: Callable[[FloatArray], FloatArray]) -> Formula:
    """Sine or cosine of the month in the year."""
    return lambda w: wave(2 * np.pi * w.calendar_month / 12)


def in_months(*months: int) -> Formula:
    """1 if the base month is one of these calendar months (1..12), else 0."""
    return lambda w: np.isin(w.calendar_month + 1, months).astype(float)
