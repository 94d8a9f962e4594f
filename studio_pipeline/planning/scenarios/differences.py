"""Differences between two answers: draws by month and in total.

Two outlooks of one studio from one base month live through the same errors, and differ by what their levers
settle, by the uncertainty of the members' responses and by how levers are carried out: what a forward answer
says of its difference to the status quo. All others differ by whole paths, of which they share the market's,
and those of one studio its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import UncertainForecast
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import aligned_paths, difference_paths, outer_ends
from studio_pipeline.panel.arrays import FloatArray

_ROUNDING = 1e-6

Key = TypeVar("Key", bound=Hashable)
Interval = tuple[float, float]


class UncertainForecastSource(Protocol):
    """What comparisons need of a forecaster."""

    @property
    def interval_tables(self) -> IntervalTables:
        """Of the model it answers from."""

    def outlooks(self, queries: Sequence[ForwardQuery]) -> Sequence[UncertainForecast]:
        """One outlook a query, in order."""


@dataclass(frozen=True)
class Difference:
    """One outlook less another over M months.

    Attributes:
        mean: (M,) currency.
        draws: (K, M) equally likely differences of each month.
        total_draws: (K,) of the total over the months.
    """

    mean: FloatArray
    draws: FloatArray
    total_draws: FloatArray

    @property
    def total(self) -> float:
        """Mean of the total, currency."""
        return float(self.mean.sum())

    def interval(self, level: float) -> FloatArray:
        """(M, 2) of each month; it holds the mean."""
        low, high = outer_ends(self.draws, level)
        return np.stack([np.minimum(low, self.mean), np.maximum(high, self.mean)], axis=1)

    def total_interval(self, level: float) -> Interval:
        """Of the total; it holds the mean."""
        low, high = outer_ends(self.total_draws, level)
        return min(float(low), self.total), max(float(high), self.total)

    def __neg__(self) -> Difference:
        """The other outlook less the one."""
        return Difference(-self.mean, -self.draws, -self.total_draws)


class AlignedForecasts:
    """N outlooks over the same M calendar months.

    Args:
        tables: of the model that all outlooks come from.
        outlooks: each up to the last of the months, at least.
        months: (M,) datetime64[M], one after the other.
    """

    def __init__(
        self, tables: IntervalTables, outlooks: Sequence[UncertainForecast], months: NDArray[np.datetime64]
    ) -> None:
        self.outlooks, self.months = outlooks, months
        self._tables = tables

    def inside(self, place: int) -> slice:
        """Where the months lie in an outlook's own."""
        first = int((self.months[0] - self.outlooks[place].forecast.base_month).astype(int)) - 1
        return slice(first, first + len(self.months))

    def total_interval(self, place: int, level: float) -> Interval:
        """Of an outlook's total over the months; from its first month to its last, that of its forecast."""
        outlook, inside = self.outlooks[place], self.inside(place)
        if inside == slice(0, len(outlook.forecast.revenue)) and level in outlook.forecast.total_intervals:
            return outlook.forecast.total_intervals[level]
        low, high = outer_ends(self._paths[:, place].sum(1), level)
        return float(low), float(high)

    def difference(self, one: int, other: int) -> Difference:
        """One outlook less another."""
        if self._rank(one) < self._rank(other):
            return -self.difference(other, one)
        a, b = self.outlooks[one], self.outlooks[other]
        mean = a.forecast.revenue[self.inside(one)] - b.forecast.revenue[self.inside(other)]
        same_origin = a.forecast.base_month == b.forecast.base_month
        if same_origin and a.forecast.studio_id == b.forecast.studio_id:
            return Difference(mean, *_same_origin_draws(self._tables, a, b, self.inside(one)))
        draws = self._paths[:, one] - self._paths[:, other]
        return Difference(mean, draws, draws.sum(1))

    def _rank(self, place: int) -> tuple[bool, float]:
        """Draws of a difference are not quite those of its opposite: they are made from this side alone."""
        outlook = self.outlooks[place]
        return outlook.has_levers, float(outlook.forecast.revenue[self.inside(place)].sum())

    @cached_property
    def _paths(self) -> FloatArray:
        """(K, N, M) revenue, what hits one studio hitting all of its outlooks."""
        numbers = {name: row for row, name in enumerate(dict.fromkeys(self._studios))}
        uncertain = [outlook.uncertain() for outlook in self.outlooks]
        firsts = [self.inside(place).start for place in range(len(self.outlooks))]
        return aligned_paths(self._tables, uncertain, [numbers[name] for name in self._studios], firsts)

    @property
    def _studios(self) -> list[str]:
        return [outlook.forecast.studio_id for outlook in self.outlooks]


def _same_origin_draws(
    tables: IntervalTables, one: UncertainForecast, other: UncertainForecast, inside: slice
) -> tuple[FloatArray, FloatArray]:
    """(K, M) of each month and (K,) of the total over the months `inside`."""
    responses = _apart(one.responses, other.responses, len(one.forecast.revenue))
    executed = _apart(one.execution, other.execution, len(one.forecast.revenue))
    by_month = np.hypot(np.sqrt((responses**2).sum(0)), np.sqrt((executed**2).sum(0)))
    # A lever is off alike in all months: its part of the total doesn't average out.
    in_total = np.sqrt((executed[:, inside].sum(1) ** 2).sum()) / len(one.forecast.revenue[inside])
    of_total = np.hypot(np.sqrt((responses**2).sum(0)), in_total)
    revenue = other.forecast.revenue[inside]
    return (
        _settled(_draws(tables, one, other, by_month)[:, inside], revenue),
        _settled(_draws(tables, one, other, of_total)[:, inside].sum(1), revenue.sum()),
    )


def _draws(
    tables: IntervalTables, one: UncertainForecast, other: UncertainForecast, deviation: FloatArray
) -> FloatArray:
    return difference_paths(tables, one.projected, other.projected, deviation)


def _settled(draws: FloatArray, of_other: FloatArray) -> FloatArray:
    """Draws without what rounding leaves; nobody loses more than there is."""
    settled = np.where(np.abs(draws) <= _ROUNDING * np.abs(of_other), 0.0, draws)
    # Adding 0 turns the negative zero of a closed studio into 0.
    return np.maximum(settled, -of_other) + 0.0


def _apart(one: Mapping[Key, FloatArray], other: Mapping[Key, FloatArray], months: int) -> FloatArray:
    """(J, h) by how much what moves both moves one more than the other."""
    nothing = np.zeros(months)
    moved = [one.get(name, nothing) - other.get(name, nothing) for name in dict.fromkeys([*one, *other])]
    return np.array(moved).reshape(len(moved), months)
