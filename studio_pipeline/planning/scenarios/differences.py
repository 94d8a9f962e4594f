"""Differences between two uncertain forecasts: draws by month and in total.

Forecasts of one studio from one base month share their errors. Their difference is uncertain through the
variance that given levers remove, the standard errors of the responses and the execution of levers, as in
the status quo comparison of a forward answer. Differences between other forecasts are those of whole revenue
paths, which share the market error and, for one studio, its own errors.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.forecasting.forecaster.forecast_uncertainty import UncertainForecast
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import aligned_paths, difference_paths, outer_ends
from studio_pipeline.panel.arrays import FloatArray

_ROUNDING = 1e-6

Key = TypeVar("Key", bound=Hashable)
Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """One forecast minus another over M months.

    Attributes:
        mean: (M,) currency.
        draws: (K, M) equally likely differences of each month, currency.
        total_draws: (K,) equally likely differences of the total over the months, currency.
    """

    mean: FloatArray
    draws: FloatArray
    total_draws: FloatArray

    @property
    def total(self) -> float:
        """Mean of the total, currency."""
        return float(self.mean.sum())

    def interval(self, level: float) -> FloatArray:
        """(M, 2) interval of each month, extended to contain the mean; currency."""
        low, high = outer_ends(self.draws, level)
        return np.stack([np.minimum(low, self.mean), np.maximum(high, self.mean)], axis=1)

    def total_interval(self, level: float) -> Interval:
        """Interval of the total, extended to contain the mean; currency."""
        low, high = outer_ends(self.total_draws, level)
        return min(float(low), self.total), max(float(high), self.total)

    def __neg__(self) -> Difference:
        """The difference with the forecasts exchanged."""
        return Difference(-self.mean, -self.draws, -self.total_draws)


class AlignedForecasts:
    """N uncertain forecasts over the same M calendar months.

    Args:
        tables: of the model of all forecasts.
        forecasts: each up to the last of the months, at least.
        months: (M,) consecutive months, datetime64[M].
    """

    def __init__(
        self, tables: IntervalTables, forecasts: Sequence[UncertainForecast], months: NDArray[np.datetime64]
    ) -> None:
        self.forecasts, self.months = forecasts, months
        self._tables = tables

    def inside(self, place: int) -> slice:
        """Slice of the M months within a forecast's own months."""
        first = int((self.months[0] - self.forecasts[place].forecast.base_month).astype(int)) - 1
        return slice(first, first + len(self.months))

    def total_interval(self, place: int, level: float) -> Interval:
        """Interval of a forecast's total over the M months; if they are all its months, its own interval."""
        forecast, inside = self.forecasts[place].forecast, self.inside(place)
        if inside == slice(0, len(forecast.revenue)) and level in forecast.total_intervals:
            return forecast.total_intervals[level]
        low, high = outer_ends(self._paths[:, place].sum(1), level)
        return float(low), float(high)

    def difference(self, one: int, other: int) -> Difference:
        """Difference between the forecasts at two places: `one` minus `other`."""
        if self._rank(one) < self._rank(other):
            return -self.difference(other, one)
        a, b = self.forecasts[one], self.forecasts[other]
        mean = a.forecast.revenue[self.inside(one)] - b.forecast.revenue[self.inside(other)]
        same_origin = a.forecast.base_month == b.forecast.base_month
        if same_origin and a.forecast.studio_id == b.forecast.studio_id:
            return Difference(mean, *_same_origin_draws(self._tables, a, b, self.inside(one)))
        draws = self._paths[:, one] - self._paths[:, other]
        return Difference(mean, draws, draws.sum(1))

    def _rank(self, place: int) -> tuple[bool, float]:
        """Sort key that fixes the order of a pair: draws aren't exactly antisymmetric, so they are made in
        one order and negated for the other.
        """
        uncertain = self.forecasts[place]
        return uncertain.has_levers, float(uncertain.forecast.revenue[self.inside(place)].sum())

    @cached_property
    def _paths(self) -> FloatArray:
        """(K, N, M) revenue paths; forecasts of one studio share its errors."""
        studios = [one.forecast.studio_id for one in self.forecasts]
        numbers = {name: row for row, name in enumerate(dict.fromkeys(studios))}
        uncertain = [one.uncertain() for one in self.forecasts]
        firsts = [self.inside(place).start for place in range(len(self.forecasts))]
        return aligned_paths(self._tables, uncertain, [numbers[name] for name in studios], firsts)


def _same_origin_draws(
    tables: IntervalTables, one: UncertainForecast, other: UncertainForecast, inside: slice
) -> tuple[FloatArray, FloatArray]:
    """Draws of a difference from one origin: (K, M) by month and (K,) of the total over `inside`."""
    responses = _apart(one.responses, other.responses, len(one.forecast.revenue))
    executed = _apart(one.execution, other.execution, len(one.forecast.revenue))
    by_month = np.hypot(np.sqrt((responses**2).sum(0)), np.sqrt((executed**2).sum(0)))
    # A lever's execution error is the same in all months, so it doesn't average out in the total.
    in_total = np.sqrt((executed[:, inside].sum(1) ** 2).sum()) / len(one.forecast.revenue[inside])
    of_total = np.hypot(np.sqrt((responses**2).sum(0)), in_total)
    by_month, in_total = (
        difference_paths(tables, one.projected, other.projected, deviation)[:, inside]
        for deviation in (by_month, of_total)
    )
    revenue = other.forecast.revenue[inside]
    return _settled(by_month, revenue), _settled(in_total.sum(1), revenue.sum())


def _settled(draws: FloatArray, of_other: FloatArray) -> FloatArray:
    """Draws without rounding residues, and with losses limited to the other forecast's revenue."""
    settled = np.where(np.abs(draws) <= _ROUNDING * np.abs(of_other), 0.0, draws)
    # Adding 0 turns the negative zero of a closed studio into 0.
    return np.maximum(settled, -of_other) + 0.0


def _apart(one: Mapping[Key, FloatArray], other: Mapping[Key, FloatArray], months: int) -> FloatArray:
    """(J, h) difference between the sensitivities of two forecasts to J common sources."""
    nothing = np.zeros(months)
    moved = [one.get(name, nothing) - other.get(name, nothing) for name in dict.fromkeys([*one, *other])]
    return np.array(moved).reshape(len(moved), months)
