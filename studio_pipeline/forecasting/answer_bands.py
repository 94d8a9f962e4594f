"""Intervals and chances of answers: of a few on plain numbers, of many on arrays, the same to rounding.

On plain numbers limits are comparisons: calls of `min` and `max` took a quarter of the time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import exp, log1p
from typing import NamedTuple

import numpy as np

from studio_pipeline.forecasting.answer_parts import AnswerParts
from studio_pipeline.forecasting.answer_spread import Spread
from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.panel.arrays import FloatArray

_FEW = 3
"""From more answers on arrays take less time."""

_SHARE = 0.1
_LOG_BELOW, _LOG_ABOVE = log1p(-_SHARE), log1p(_SHARE)
_LARGEST_EXPONENT = 700.0
_MOST_SETS_OF_LEVELS = 256

Ends = Sequence[tuple[float, float]]
"""Quantiles at both ends of a central interval, month by month and, last, of the sum."""


class Band(NamedTuple):
    """Of one answer over h months at L levels.

    Attributes:
        months: at each level, lower and upper bound of each month.
        total: at each level, the bounds of the sum.
        chance: of each month, that it lands within 10 % of its mean.
    """

    months: Sequence[Sequence[Sequence[float]]]
    total: Sequence[Sequence[float]]
    chance: Sequence[float]


class Bands:
    """Bands under one model.

    Args:
        tables: of the model.
    """

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
        """The bands of N answers over the same months at the same L levels.

        Every interval is made to hold the mean, and that of the sum to be no wider than all months at their
        ends: far outside what was seen, errors are so skewed that the mean would lie above nine in ten of
        them.
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
            list(map(self._chance_within, self._errors, scales)),
        )

    def _chance_within(self, errors: Sequence[float], scale: float) -> float:
        """The chance that a month lands within 10 % of its mean, by interpolation in its row of errors."""
        chances, last, middle = self._chances, self._last, 0.5 * scale
        low, high = _LOG_BELOW / scale + middle, _LOG_ABOVE / scale + middle
        at = bisect_right(errors, low)
        at = 1 if at < 1 else last if at > last else at
        error, chance = errors[at - 1], chances[at - 1]
        below = chance + (chances[at] - chance) * (low - error) / (errors[at] - error)
        at = bisect_right(errors, high, at - 1)
        at = last if at > last else at
        error, chance = errors[at - 1], chances[at - 1]
        return chance + (chances[at] - chance) * (high - error) / (errors[at] - error) - below

    def _of_many(
        self, asked: Sequence[AnswerParts], spreads: Sequence[Spread], levels: tuple[float, ...]
    ) -> list[Band]:
        tables, months = self._tables, len(spreads[0].month)
        # The sum is one more column.
        scale = np.array([[*spread.month, spread.total] for spread in spreads])
        revenue = np.empty_like(scale)
        revenue[:, :months] = [[month[0] for month in parts.given[:months]] for parts in asked]
        revenue[:, months] = revenue[:, :months].sum(1)
        bounds = _in_order(tables.bounds(revenue, scale, levels), revenue)
        chances = tables.chance_within(scale[:, :months], _SHARE)
        return list(
            map(Band, bounds[:, :, :months].tolist(), bounds[:, :, months].tolist(), chances.tolist())
        )


def _around(
    means: list[float], scales: list[float], total_scale: float, ends: Ends
) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """The bounds of the months and of their sum at one level."""
    months = []
    for mean, scale, (low_end, high_end) in zip(
        (*means, sum(means)), (*scales, total_scale), ends, strict=True
    ):
        half = 0.5 * scale
        below, above = scale * (low_end - half), scale * (high_end - half)
        low = mean * exp(_LARGEST_EXPONENT if below > _LARGEST_EXPONENT else below)
        high = mean * exp(_LARGEST_EXPONENT if above > _LARGEST_EXPONENT else above)
        months.append((mean if low > mean else low, mean if high < mean else high))
    low, high = months.pop()
    lows, highs = zip(*months, strict=True)
    return months, (max(low, sum(lows)), min(high, sum(highs)))


def _in_order(bounds: FloatArray, mean: FloatArray) -> FloatArray:
    """(N, L, h + 1, 2) bounds as `_around` makes them."""
    low, high = bounds[..., 0], bounds[..., 1]
    np.minimum(low, mean[:, None], out=low)
    np.maximum(high, mean[:, None], out=high)
    months = bounds[..., :-1, :].sum(-2)
    np.maximum(low[..., -1], months[..., 0], out=low[..., -1])
    np.minimum(high[..., -1], months[..., 1], out=high[..., -1])
    return bounds
