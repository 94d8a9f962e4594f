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

from studio_pipeline.forecasting.features import WINDOW_MONTHS
from studio_pipeline.panel.arrays import FloatArray, IntArray

_GRID = np.concatenate([[0.0005, 0.001, 0.0025], np.linspace(0.005, 0.995, 199), [0.9975, 0.999, 0.9995]])
_DEFAULT_RESIDUAL = 1.2
_DEFAULT_SCALE = 0.1
_SMALLEST_SCALE = 0.005
_FEWEST_RESIDUALS = 40


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


def fit_intervals(
    forecast: FloatArray, actual: FloatArray, scale: FloatArray, panel_scale: float, own_scale_months: float
) -> IntervalTables:
    """Tables from N out-of-fold forecasts of H months.

    Args:
        forecast: (N, H).
        actual: (N, H), NaN where not known.
        scale: (N,) the studios' scales at the origins.
        panel_scale: of the panel.
        own_scale_months: as used for `scale`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        month = np.log(np.maximum(actual, 0.01 * forecast) / forecast) / scale[:, None]
        summed = np.cumsum(actual, 1)
        total = (
            np.log(np.maximum(summed, 0.01 * np.cumsum(forecast, 1)) / np.cumsum(forecast, 1))
            / scale[:, None]
        )
    return IntervalTables(_GRID, _tables(month), _tables(total), panel_scale, own_scale_months)


def _tables(residuals: FloatArray) -> FloatArray:
    """(H, Q) finite-sample quantiles; a horizon with few residuals borrows the nearest shorter one's,
    widened.
    """
    tables = np.empty((residuals.shape[1], len(_GRID)))
    for h in range(residuals.shape[1]):
        known = residuals[np.isfinite(residuals[:, h]), h]
        if len(known) >= _FEWEST_RESIDUALS:
            outward = 0.5 + (_GRID - 0.5) * (1 + 1 / len(known))
            tables[h] = np.quantile(known, np.clip(outward, 0, 1))
        else:
            tables[h] = tables[h - 1] * np.sqrt((h + 1) / h) if h else _DEFAULT_RESIDUAL * _normal_quantiles()
    return tables


def _normal_quantiles() -> FloatArray:
    """Quantiles of the logistic distribution with unit variance: near enough to normal, with a
    heavier tail.
    """
    return np.asarray(np.log(_GRID / (1 - _GRID)) * np.sqrt(3) / np.pi)
