"""The intervals of one answer, from tables that are looked up once a level."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.panel.arrays import FloatArray

_MOST_LEVELS = 64
_ONE_DEVIATION = 0.6827
_SHARE = 0.1
_SMALLEST_DEVIATION = 1e-6


class RevenueBands:
    """Bands of revenue around its mean, under one model.

    Args:
        tables: quantiles of scaled log residuals.

    Attributes:
        month_deviation: (H,) deviation of a month's scaled log residual.
        total_deviation: (H,) the same of the sum of the first h months.
    """

    def __init__(self, tables: IntervalTables) -> None:
        self._tables = tables
        # Levels come from requests: as many as anybody likes.
        self.quantiles = lru_cache(_MOST_LEVELS)(self._quantiles)
        ends = self._quantiles(_ONE_DEVIATION)
        deviations = np.maximum((ends[:, 1] - ends[:, 0]) / 2, _SMALLEST_DEVIATION)
        self.month_deviation, self.total_deviation = deviations

    def _quantiles(self, level: float) -> FloatArray:
        """(2, 2, H) of months and of sums: lower and upper end at each horizon."""
        ends = ((1 - level) / 2, (1 + level) / 2)
        tables = (self._tables.month, self._tables.total)
        return np.array(
            [[[np.interp(end, self._tables.levels, row) for row in rows] for end in ends] for rows in tables]
        )

    def months(self, revenue: FloatArray, scale: FloatArray | float, level: float) -> FloatArray:
        """(h, 2) lower and upper bound of each of the first h months.

        Args:
            revenue: (h,) means.
            scale: (h,) or one, of the log residuals.
            level: coverage, 0 < level < 1.
        """
        return np.asarray((revenue * np.exp(scale * self.quantiles(level)[0, :, : len(revenue)])).T)

    def total(self, total: float, scale: float, months: int, level: float) -> tuple[float, float]:
        """Lower and upper bound of the sum over the first `months` months, whose mean is `total`."""
        low, high = self.quantiles(level)[1, :, months - 1].tolist()
        return total * math.exp(scale * low), total * math.exp(scale * high)

    def chance_within(self, scale: FloatArray) -> FloatArray:
        """(N, H) chance that a month lands within 10 % of its mean, by its (N, H) scale."""
        return self._reached(math.log1p(_SHARE) / scale) - self._reached(math.log1p(-_SHARE) / scale)

    def _reached(self, residual: FloatArray) -> FloatArray:
        """(N, H) share of scaled residuals up to given ones, between the tables' levels on straight lines."""
        quantiles, levels = self._tables.month, self._tables.levels
        above = (quantiles[: residual.shape[1]] < residual[:, :, None]).sum(-1)
        inside = np.clip(above, 1, len(levels) - 1)
        horizon = np.arange(residual.shape[1])
        left, right = quantiles[horizon, inside - 1], quantiles[horizon, inside]
        share = np.divide(residual - left, right - left, out=np.zeros_like(residual), where=right > left)
        between = levels[inside - 1] + share * (levels[inside] - levels[inside - 1])
        return np.where(above == 0, 0.0, np.where(above == len(levels), 1.0, between))
