"""Comparison of two to ten scenarios over the calendar months that all of them project.

Forecasts of one studio from one base month share their errors. Their difference is uncertain through the
variance that given levers remove, the standard errors of the responses and the execution of levers, as in
the status quo comparison of a forward answer. Differences between other forecasts are those of whole revenue
paths, which share the market error and, for one studio, its own errors.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import UncertainForecast
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import (
    aligned_paths,
    chances_of_more,
    difference_paths,
    outer_ends,
)
from studio_pipeline.panel.arrays import FloatArray

FEWEST_SCENARIOS, MOST_SCENARIOS = 2, 10
_ROUNDING = 1e-6

Key = TypeVar("Key", bound=Hashable)
Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """One forecast minus another over M months."""

    mean: FloatArray  # (M,) currency
    draws: FloatArray  # (K, M) equally likely differences of each month, currency
    total_draws: FloatArray  # (K,) equally likely differences of the total over the months, currency

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


@dataclass(frozen=True)
class ScenarioOutcome:
    """One scenario over the M months that all scenarios share; currency."""

    studio_id: str
    base_month: np.datetime64  # its last known month, datetime64[M]
    revenue: FloatArray  # (M,) mean of the predictive distribution
    interval: FloatArray  # (M, 2) of the revenue
    member_count: FloatArray  # (M,) members at each month's end; NaN if the studio's data have none
    total_revenue: float  # over the M months, as are all totals
    total_interval: Interval
    difference: FloatArray  # (M,) revenue minus that of the first scenario
    difference_interval: FloatArray  # (M, 2) of the difference
    total_difference: float
    total_difference_interval: Interval
    warnings: tuple[str, ...]  # of its forecast, as sentences


@dataclass(frozen=True)
class Comparison:
    """N scenarios over the M calendar months that all of them project."""

    months: NDArray[np.datetime64]  # (M,) datetime64[M]
    level: float  # coverage of all intervals, 0..1
    scenarios: tuple[ScenarioOutcome, ...]  # in the order of the queries; differences are to the first one
    # (N, N) probability that the total of the row's scenario exceeds that of the column's, ties counting
    # half; 0.5 on the diagonal.
    chance_ahead: FloatArray
    month_chance_ahead: FloatArray  # (M, N, N) the same of each month


def compare_forecasts(
    forecaster: Forecaster, queries: Sequence[ForwardQuery], level: float = 0.9
) -> Comparison:
    """Compares 2 to 10 forward queries, of the same or of different studios and base months.

    The first query is the reference; `level` is the coverage of all intervals, 0..1.

    Raises:
        QueryError: too few or too many queries, one of them can't be answered, or they share no month.
    """
    if not FEWEST_SCENARIOS <= len(queries) <= MOST_SCENARIOS:
        remedy = f"Name {FEWEST_SCENARIOS} to {MOST_SCENARIOS} of them."
        raise QueryError(f"{len(queries)} scenarios can't be compared.", remedy)
    asked = [replace(query, interval_levels=(level,)) for query in queries]
    bases = [uncertain.forecast.base_month for uncertain in forecaster.outlooks(asked)]
    months = _shared_months(bases, asked)
    ends = [int((months[-1] - base).astype(int)) for base in bases]
    forecasts = forecaster.outlooks([_until(end, query) for end, query in zip(ends, asked, strict=True)])
    aligned = AlignedForecasts(forecaster.interval_tables, forecasts, months)
    outcomes = tuple(_outcome(aligned, place, level) for place in range(len(forecasts)))
    return Comparison(months, level, outcomes, *_chances(aligned))


def _until(last: int, query: ForwardQuery) -> ForwardQuery:
    steps = tuple(step for step in query.lever_plan if step.from_month <= last)
    return replace(query, projection_months=last, lever_plan=steps)


def _shared_months(bases: Sequence[np.datetime64], queries: Sequence[ForwardQuery]) -> NDArray[np.datetime64]:
    """(M,) months that all queries project; QueryError if there are none."""
    spans = [(base + 1, base + query.projection_months) for base, query in zip(bases, queries, strict=True)]
    first, last = max(start for start, _ in spans), min(end for _, end in spans)
    if last < first:
        projected = ", ".join(f"{start}-01 to {end}-01" for start, end in spans)
        raise QueryError(
            f"These scenarios share no month: they project {projected}.",
            "Compare scenarios of nearby base months, or project more months.",
        )
    return np.asarray(np.arange(first, last + 1))


def _outcome(aligned: AlignedForecasts, place: int, level: float) -> ScenarioOutcome:
    forecast, inside = aligned.forecasts[place].forecast, aligned.inside(place)
    difference = aligned.difference(place, 0)
    revenue = forecast.revenue[inside]
    return ScenarioOutcome(
        studio_id=forecast.studio_id,
        base_month=forecast.base_month,
        revenue=revenue,
        interval=forecast.intervals[level][inside],
        member_count=forecast.member_count[inside],
        total_revenue=float(revenue.sum()),
        total_interval=aligned.total_interval(place, level),
        difference=difference.mean,
        difference_interval=difference.interval(level),
        total_difference=difference.total,
        total_difference_interval=difference.total_interval(level),
        warnings=forecast.warnings,
    )


def _chances(aligned: AlignedForecasts) -> tuple[FloatArray, FloatArray]:
    n = len(aligned.forecasts)
    total, by_month = np.full((n, n), 0.5), np.full((len(aligned.months), n, n), 0.5)
    for one, other in combinations(range(n), 2):
        difference = aligned.difference(one, other)
        total[one, other] = chances_of_more(difference.total_draws)
        by_month[:, one, other] = chances_of_more(difference.draws)
        total[other, one] = 1 - total[one, other]
        by_month[:, other, one] = 1 - by_month[:, one, other]
    return total, by_month
