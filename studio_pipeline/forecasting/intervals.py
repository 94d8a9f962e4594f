"""Predictive distributions from out-of-fold residual paths, scaled by each studio's own volatility.

A residual is the log of what happened over the forecast, divided by the studio's scale, so that a small,
jumpy studio's band is wider than a large, calm one's. Quantiles of residuals that the forecast had not seen
are conformal by construction, per horizon and for the sum over the first months.
Source: split conformal prediction, Lei et al. (2018); the quantile is taken at (1 + 1/n) x level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.feature_formulas import WINDOW_MONTHS
from studio_pipeline.panel.arrays import FloatArray, IntArray

_DEFAULT_SCALE = 0.1
_SMALLEST_SCALE = 0.005


@dataclass(frozen=True)
class IntervalTables:
    """Quantiles of scaled residuals, by horizon.

    Attributes:
        levels: (Q,) increasing, 0..1.
        month: (H, Q) quantiles of a single month's scaled log residual.
        total: (H, Q) the same for the sum of the first h months.
        panel_scale: typical scale of the panel's studios, a log ratio.
        own_scale_months: known months at which a studio's own scale counts half.
    """

    levels: FloatArray
    month: FloatArray
    total: FloatArray
    panel_scale: float
    own_scale_months: float

    def interval(self, mean: FloatArray, scale: FloatArray, level: float) -> FloatArray:
        """(N, H, 2) lower and upper bound of each month.

        Args:
            mean: (N, H) forecasts.
            scale: (N,) the studios' scales.
            level: coverage, 0 < level < 1.
        """
        low, high = self._at(self.month[: mean.shape[1]], level)
        return np.stack([mean * np.exp(scale[:, None] * low), mean * np.exp(scale[:, None] * high)], axis=2)

    def total_interval(self, total: FloatArray, scale: FloatArray, months: int, level: float) -> FloatArray:
        """(N, 2) lower and upper bound of the sum over the first `months` months, whose means are (N,)
        `total`.
        """
        low, high = self._at(self.total[months - 1 : months], level)
        return np.stack([total * np.exp(scale * low[0]), total * np.exp(scale * high[0])], axis=1)

    def chance_within(self, scale: FloatArray, horizon_months: int, share: float = 0.1) -> FloatArray:
        """(N, H) chance that a month lands within `share` of its forecast."""
        chances = np.empty((len(scale), horizon_months))
        for h in range(horizon_months):
            upper = np.interp(np.log1p(share) / scale, self.month[h], self.levels, left=0.0, right=1.0)
            lower = np.interp(np.log1p(-share) / scale, self.month[h], self.levels, left=0.0, right=1.0)
            chances[:, h] = upper - lower
        return chances

    def _at(self, tables: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """Quantiles of each row at both ends of a central interval."""
        ends = ((1 - level) / 2, (1 + level) / 2)
        found = [np.array([np.interp(end, self.levels, row) for row in tables]) for end in ends]
        return found[0], found[1]


def studio_scales(
    windows: Mapping[str, FloatArray], panel_scale: float, own_scale_months: float
) -> FloatArray:
    """(N,) scale of each studio: deviation of the monthly log changes of revenue, shrunk to the panel's.

    Args:
        windows: column to (N, WINDOW_MONTHS) months up to the base month.
        panel_scale: what a studio without history gets.
        own_scale_months: known changes at which the own deviation counts half.
    """
    own, known = own_variances(windows)
    mixed = (known * own + own_scale_months * panel_scale**2) / np.maximum(known + own_scale_months, 1e-9)
    return np.asarray(np.maximum(np.sqrt(mixed), _SMALLEST_SCALE))


def own_variances(windows: Mapping[str, FloatArray]) -> tuple[FloatArray, IntArray]:
    """(N,) robust variance of monthly log changes in the window, and the number of changes known."""
    revenue = windows["total_revenue"]
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.diff(np.log(np.where(revenue > 0, revenue, np.nan)), axis=1)
    known = np.isfinite(steps)
    count = known.sum(1)
    sizes = np.sort(np.where(known, np.abs(steps), np.inf), axis=1)
    middle = np.take_along_axis(sizes, np.maximum((count[:, None] - 1) // 2, 0), 1)[:, 0]
    return np.where(count > 0, (np.where(np.isfinite(middle), middle, 0.0) / 0.6745) ** 2, 0.0), count


def typical_scale(windows: Mapping[str, FloatArray]) -> float:
    """Median of the studios' own scales; a default where nothing is known."""
    variance, known = own_variances(windows)
    enough = known >= min(6, WINDOW_MONTHS - 1)
    return float(np.sqrt(np.median(variance[enough]))) if enough.any() else _DEFAULT_SCALE
