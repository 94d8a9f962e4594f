"""Prediction intervals of answers, the standard deviations behind them, and the parts of an answer.

Given levers remove their share of the variance; values outside the shown range widen the interval again, and
so do levers that are carried out inexactly. The tables of quantiles are those of `intervals.interval_tables`.
Few answers are computed on plain numbers, for which arrays of twelve entries are too slow; there, comparisons
replace `min` and `max`, whose calls took a quarter of the time.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import exp
from typing import NamedTuple

import numpy as np

from studio_pipeline.forecasting.base.flows import LARGEST_EXPONENT
from studio_pipeline.forecasting.base.given_levers import MOST_SETS, FirstMonths, marked_paths
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.queries import ForwardQuery, PlainMonths
from studio_pipeline.forecasting.forecaster.warnings import KnownOfStudio
from studio_pipeline.forecasting.intervals.interval_tables import (
    LOG_WITHIN,
    SMALLEST_DEVIATION,
    IntervalTables,
)
from studio_pipeline.forecasting.intervals.lever_variance_shares import widening_outside
from studio_pipeline.panel.arrays import FloatArray


class AnswerParts(NamedTuple):
    """Input of one answer."""

    query: ForwardQuery  # the query
    levers: Mapping[str, list[float]]  # lever to its value in each of 12 months, NaN where free
    first: FirstMonths  # months from which levers are given
    given: PlainMonths  # revenue, members and retention in each of 12 months under the query's levers
    free: FloatArray  # (3, 12) the same with every lever free
    scale: Sequence[float]  # (12,) standard deviation of the revenue's log error with every lever free
    base_month: np.datetime64  # the last known month
    known: KnownOfStudio  # properties of the studio, for its history and warnings
    execution: FloatArray | None = None  # (J, 12) `execution_effects`; None: levers carried out exactly

    def closed(self, since: np.datetime64) -> AnswerParts:
        """Parts of an answer for a closed studio: no revenue or members, whatever levers are given."""
        months = [(0.0, 0.0, math.nan)] * MAX_HORIZON_MONTHS
        return self._replace(
            levers={},
            given=months,
            free=np.array(months).T,
            scale=[SMALLEST_DEVIATION] * MAX_HORIZON_MONTHS,
            known=self.known._replace(closed_since=since),
            execution=None,
        )

    def given_arrays(self) -> FloatArray:
        """(3, h) array of `given` in the projected months."""
        return np.array(self.given[: self.query.projection_months]).T


_SMALLEST_VARIANCE = SMALLEST_DEVIATION**2


class Spread(NamedTuple):
    """Standard deviations of an answer over h months."""

    exact: list[float]  # (h,) deviations of the months' log errors, if given levers are carried out exactly
    common: list[float]  # (h,) their market part
    month: list[float]  # (h,) deviations including inexact execution of levers
    total_execution: float  # deviation of the total through inexact execution, currency
    # deviation of the total as `IntervalTables` takes it: a mean over the months, with the correlation
    # between months under levers accounted for
    total: float


Left = Sequence[tuple[float, float, float]]
"""In each month, what remains under given levers: share of the own variance, and variance and deviation of
the market error.
"""


class Spreads:
    """Computes spreads with the tables of one model."""

    def __init__(self, tables: IntervalTables) -> None:
        self._tables = tables
        self._common_variance: list[float] = tables.common_variance.tolist()
        self._common: list[float] = tables.common_deviation.tolist()
        self._total_deviation: list[float] = tables.total_deviation.tolist()
        self._of_sums = [
            list(zip(*(part.tolist() for part in parts), strict=True)) for parts in tables.levers.of_sums
        ]
        self._left_since: Callable[[FirstMonths], Left] = lru_cache(MOST_SETS)(self._left)

    def of(self, parts: AnswerParts) -> Spread:
        """The spread of an answer."""
        months = parts.query.projection_months
        exact, common, total = self._deviations(parts, months)
        if parts.execution is None:
            return Spread(exact, common, exact, 0.0, total)
        return self._carried_out(parts, parts.execution, Spread(exact, common, exact, 0.0, total))

    def _deviations(self, parts: AnswerParts, months: int) -> tuple[list[float], list[float], float]:
        if parts.known.history_months and parts.levers:
            return self._under_levers(parts, months)
        exact, common = list(parts.scale[:months]), self._common[:months]
        if parts.levers:
            # Without history all levers are given, but that removes little of the uncertainty: only widen.
            wider = widening_outside(parts.levers, parts.known.shown)
            exact = [scale * by for scale, by in zip(exact, wider, strict=False)]
            common = [scale * by for scale, by in zip(common, wider, strict=False)]
        return exact, common, sum(exact) / months

    def _under_levers(self, parts: AnswerParts, months: int) -> tuple[list[float], list[float], float]:
        """Deviations under given levers; months before the first given lever are unchanged.

        The error that remains under levers is less correlated over the months than the part that they remove,
        which lowers the deviation of the total.
        """
        wider = widening_outside(parts.levers, parts.known.shown)
        exact, common, total = [], [], 0.0
        for free, market_before, (own, market, market_deviation), by, (floor, summed, slope) in zip(
            parts.scale,
            self._common_variance,
            self._left_since(parts.first),
            wider,
            self._of_sums[months - 1],
            strict=False,
        ):
            own_before = free * free - market_before
            month = math.sqrt((0.0 if own_before < 0 else own_before) * own + market) * by
            shared = market_deviation * by
            exact.append(month)
            common.append(shared)
            of_common = shared * shared
            before = _SMALLEST_VARIANCE if own_before < _SMALLEST_VARIANCE else own_before
            left = (month * month - of_common) / before
            variance = of_common + before * (summed + (left - floor) * slope)
            total += math.sqrt(0.0 if variance < 0 else variance)
        return exact, common, total / months

    def _left(self, first: FirstMonths) -> Left:
        own, common = self._tables.levers.left(
            {name: path[None] for name, path in marked_paths(first).items()}
        )
        market = self._tables.common_variance * common[0]
        columns = own[0], market, np.sqrt(market)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _carried_out(self, parts: AnswerParts, execution: FloatArray, exactly: Spread) -> Spread:
        """Adds inexact execution of levers in quadrature. Its error is the same in all months, so it adds
        more to the total than forecast errors do.
        """
        months = len(exactly.exact)
        revenue, effects = parts.given_arrays()[0], execution[:, :months]
        month = np.hypot(exactly.exact, np.sqrt((effects**2).sum(0)))
        moved = float(np.sqrt(((effects * revenue).sum(1) ** 2).sum()))
        total = float(revenue.sum())
        added = moved / total / self._total_deviation[months - 1] if total > 0 else 0.0
        return exactly._replace(
            month=month.tolist(), total_execution=moved, total=math.hypot(exactly.total, added)
        )


_FEW = 3
"""Largest number of answers for which plain numbers are faster than arrays."""

_MOST_SETS_OF_LEVELS = 256

Ends = Sequence[tuple[float, float]]
"""Quantiles at both ends of a central interval, by month and, last, of the sum."""


class Band(NamedTuple):
    """Intervals of one answer over h months at L levels."""

    months: Sequence[Sequence[Sequence[float]]]  # at each level, bounds of each month, currency
    total: Sequence[Sequence[float]]  # at each level, lower and upper bound of the sum, currency
    chance: Sequence[float]  # (h,) probability that a month lies within 10 % of its mean


class Bands:
    """Computes bands with the tables of one model."""

    def __init__(self, tables: IntervalTables) -> None:
        self._tables = tables
        self._errors, self._chances = tables.error_chances
        self._last = len(self._chances) - 1
        self._ends: Callable[[tuple[float, ...], int], Sequence[Ends]] = lru_cache(_MOST_SETS_OF_LEVELS)(
            lambda levels, months: [[(low, high) for low, high in at] for at in tables.ends(levels, months)]
        )

    def of(
        self, asked: Sequence[AnswerParts], spreads: Sequence[Spread], levels: tuple[float, ...]
    ) -> list[Band]:
        """Bands of N answers over the same months at the same L levels.

        Every interval is extended to contain the mean, and the interval of the sum is limited to the sums of
        the months' bounds: far outside the shown range errors are so skewed that the mean can lie above a
        90 % interval.
        """
        if len(asked) > _FEW:
            return self._of_many(asked, spreads, levels)
        return [self._of_one(parts, spread, levels) for parts, spread in zip(asked, spreads, strict=True)]

    def _of_one(self, parts: AnswerParts, spread: Spread, levels: tuple[float, ...]) -> Band:
        scales = spread.month
        means = [month[0] for month in parts.given[: len(scales)]]
        found = [_around(means, scales, spread.total, ends) for ends in self._ends(levels, len(scales))]
        return Band(
            [months for months, _ in found],
            [total for _, total in found],
            self._chances_within(scales),
        )

    def _chances_within(self, scales: Sequence[float]) -> list[float]:
        """(h,) chances that a month lies within 10 % of its mean, interpolated in its horizon's errors."""
        chances, last, found = self._chances, self._last, []
        log_low, log_high = LOG_WITHIN
        for errors, scale in zip(self._errors, scales, strict=False):
            middle = 0.5 * scale
            low, high = log_low / scale + middle, log_high / scale + middle
            at = bisect_right(errors, low)
            at = 1 if at < 1 else last if at > last else at
            error, chance = errors[at - 1], chances[at - 1]
            below = chance + (chances[at] - chance) * (low - error) / (errors[at] - error)
            at = bisect_right(errors, high, at - 1)
            at = last if at > last else at
            error, chance = errors[at - 1], chances[at - 1]
            found.append(chance + (chances[at] - chance) * (high - error) / (errors[at] - error) - below)
        return found

    def _of_many(
        self, asked: Sequence[AnswerParts], spreads: Sequence[Spread], levels: tuple[float, ...]
    ) -> list[Band]:
        tables, months = self._tables, len(spreads[0].month)
        # The sum is the last column.
        scale = np.array([[*spread.month, spread.total] for spread in spreads])
        revenue = np.empty_like(scale)
        revenue[:, :months] = [[month[0] for month in parts.given[:months]] for parts in asked]
        revenue[:, months] = revenue[:, :months].sum(1)
        bounds = _in_order(tables.bounds(revenue, scale, levels), revenue)
        chances = tables.chance_within(scale[:, :months])
        return list(
            map(Band, bounds[:, :, :months].tolist(), bounds[:, :, months].tolist(), chances.tolist())
        )


def _around(
    means: list[float], scales: list[float], total_scale: float, ends: Ends
) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    months = []
    for mean, scale, (low_end, high_end) in zip(
        (*means, sum(means)), (*scales, total_scale), ends, strict=True
    ):
        half = 0.5 * scale
        below, above = scale * (low_end - half), scale * (high_end - half)
        low = mean * exp(LARGEST_EXPONENT if below > LARGEST_EXPONENT else below)
        high = mean * exp(LARGEST_EXPONENT if above > LARGEST_EXPONENT else above)
        months.append((mean if low > mean else low, mean if high < mean else high))
    low, high = months.pop()
    lows, highs = zip(*months, strict=True)
    return months, (max(low, sum(lows)), min(high, sum(highs)))


def _in_order(bounds: FloatArray, mean: FloatArray) -> FloatArray:
    """(N, L, h + 1, 2) bounds, adjusted as in `_around`."""
    low, high = bounds[..., 0], bounds[..., 1]
    np.minimum(low, mean[:, None], out=low)
    np.maximum(high, mean[:, None], out=high)
    months = bounds[..., :-1, :].sum(-2)
    np.maximum(low[..., -1], months[..., 0], out=low[..., -1])
    np.minimum(high[..., -1], months[..., 1], out=high[..., -1])
    return bounds
