"""Interval tables: the fitted predictive distributions of months and of sums over months.

An error is the log of actual over forecast. Its standard deviation by studio and horizon combines the
studio's own part (`error_scales`) and the market part (`market_factor`); divided by it, errors of all studios
follow one conformally corrected table of quantiles a horizon. The forecast is the distribution's mean, so
the centre of the log error lies half the squared deviation below 0.
Tables are fitted in `calibration`; sums over studios and differences are simulated in `joint_simulation`.
Source: split conformal prediction with scaled residuals, Lei et al. (2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from studio_pipeline.forecasting.backtest.short_history import YoungStudios, known_months
from studio_pipeline.forecasting.intervals.error_scales import ScaleModel
from studio_pipeline.forecasting.intervals.lever_variance_shares import LeverShares
from studio_pipeline.panel.arrays import FloatArray

_LARGEST_COMMON_SHARE = 0.95
_FAR = 1e3
_MOST_LEVELS = 64
_MOST_SETS_OF_LEVELS = 256
_ONE_DEVIATION = 0.6827
SMALLEST_DEVIATION = 1e-6
LOG_WITHIN = math.log1p(-0.1), math.log1p(0.1)
"""Logs of 10 % below and above a forecast."""

_WITHIN = np.array(LOG_WITHIN)[:, None, None]


@dataclass(frozen=True)
class IntervalTables:
    """Quantiles of scaled errors by horizon, and the components of the scale."""

    levels: FloatArray  # (Q,) levels of the quantiles, increasing, 0..1
    month: FloatArray  # (H, Q) quantiles of a month's error over its deviation; mean 0, deviation 1
    total: FloatArray  # (H, Q) of the sum over the first h months, over their mean deviation
    scales: ScaleModel  # deviations of the studios' own errors
    common: FloatArray  # (H, H) covariance of the market error over the months ahead
    young: YoungStudios  # widening for studios with a short history
    levers: LeverShares  # shares of the variance that given levers remove
    own_paths: FloatArray  # (K, H) own errors over their deviations; columns have the rows of `month`
    common_paths: FloatArray  # (K, H) paths of the market error

    @cached_property
    def common_deviation(self) -> FloatArray:
        """(H,) standard deviation of the market error."""
        return np.asarray(np.sqrt(np.diag(self.common)))

    @cached_property
    def common_variance(self) -> FloatArray:
        """(H,) variance of the market error."""
        return np.asarray(np.diag(self.common))

    @cached_property
    def total_deviation(self) -> FloatArray:
        """(H,) deviation of the log error of the sum over the first h months, over their mean deviation."""
        low, high = self.quantiles(_ONE_DEVIATION)[2:]
        return np.asarray(np.maximum((high - low) / 2, SMALLEST_DEVIATION))

    def scale(self, windows: Mapping[str, FloatArray]) -> FloatArray:
        """(N, H) standard deviation of each studio's log error with every lever free. `windows`: column to
        (N, WINDOW_MONTHS) months up to the base month.
        """
        own = self.scales.own(windows) * self.young.widening(known_months(windows))
        return np.asarray(np.sqrt(own**2 + np.diag(self.common)))

    def new_studio_scale(self) -> FloatArray:
        """(1, H) deviation for a studio without history, with typical signs otherwise."""
        own = np.exp(self.scales.level)[None] * self.young.widening(np.zeros(1))
        return np.asarray(np.sqrt(own**2 + np.diag(self.common)))

    def own_scale(self, scale: FloatArray, common: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(..., h) deviations of the own part, and factors of `common_paths`, from the (..., h) deviations of
        answers and of their market part.
        """
        free = self.common_deviation[: scale.shape[-1]]
        part = np.minimum(common, np.sqrt(_LARGEST_COMMON_SHARE) * scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(free > 0, part / free, 0.0)
        return np.sqrt(scale**2 - part**2), share

    @cached_property
    def quantiles(self) -> Callable[[float], tuple[FloatArray, ...]]:
        """Function from a coverage, 0 < level < 1, to both ends of a central interval: month low, month high,
        total low, total high; (H,) each.
        """
        # Levels come from requests, so their number is unbounded.
        return lru_cache(_MOST_LEVELS)(self._quantiles)

    def _quantiles(self, level: float) -> tuple[FloatArray, ...]:
        tails = ((1 - level) / 2, (1 + level) / 2)
        return tuple(
            np.array([np.interp(tail, self.levels, row) for row in table])
            for table in (self.month, self.total)
            for tail in tails
        )

    def interval(self, mean: FloatArray, scale: FloatArray, level: float) -> FloatArray:
        """(N, h, 2) lower and upper bound of each month. `level`: coverage, 0 < level < 1."""
        months = mean.shape[1]
        ends = np.stack(self.quantiles(level)[:2], 1)[:months]
        return _between(mean[:, :, None], scale[:, :months, None], ends)

    def total_interval(self, total: FloatArray, scale: FloatArray, months: int, level: float) -> FloatArray:
        """(N, 2) lower and upper bound of the sum over the first `months` months, whose means are `total`."""
        ends = np.stack(self.quantiles(level)[2:], 1)[months - 1]
        return _between(total[:, None], scale[:, :months].mean(1)[:, None], ends)

    def bounds(self, mean: FloatArray, scale: FloatArray, levels: tuple[float, ...]) -> FloatArray:
        """(N, L, h + 1, 2) bounds of the months and, last, of their sum, at several levels in one pass, from
        their (N, h + 1) means and deviations; that of the sum is the mean of the months' deviations.
        """
        ends = self.ends(levels, mean.shape[1] - 1)
        return _between(mean[:, None, :, None], scale[:, None, :, None], ends)

    @cached_property
    def ends(self) -> Callable[[tuple[float, ...], int], FloatArray]:
        """Function from L levels and h months to the (L, h + 1, 2) quantiles at the ends of central intervals
        of the first h months and their sum.
        """
        return lru_cache(_MOST_SETS_OF_LEVELS)(self._ends_of)

    def _ends_of(self, levels: tuple[float, ...], months: int) -> FloatArray:
        found = np.empty((len(levels), months + 1, 2))
        for place, level in enumerate(levels):
            low, high, total_low, total_high = self.quantiles(level)
            found[place, :months, 0], found[place, :months, 1] = low[:months], high[:months]
            found[place, months] = total_low[months - 1], total_high[months - 1]
        return found

    def scale_of(self, interval: FloatArray, level: float) -> FloatArray:
        """(N, h) deviations implied by intervals: the inverse of `interval`. `interval`: (N, h, 2) lower and
        upper bounds above 0.
        """
        low, high = (end[: interval.shape[1]] for end in self.quantiles(level)[:2])
        return np.asarray(np.log(interval[..., 1] / interval[..., 0]) / (high - low))

    def chance_within(self, scale: FloatArray) -> FloatArray:
        """(N, h) probability that a month lies within 10 % of its forecast, from its (N, h) deviation."""
        below, above = self.chance_below(_WITHIN / scale + 0.5 * scale)
        return np.asarray(above - below)

    def chance_below(self, scaled: FloatArray) -> FloatArray:
        """(..., h) probability that a month's scaled error lies below (..., h) values."""
        months = scaled.shape[-1]
        axis, chances, apart = self._one_axis
        inside = np.minimum(np.maximum(scaled, -_FAR), _FAR) + apart[:months]
        return np.asarray(np.interp(inside, axis, chances))

    @cached_property
    def error_chances(self) -> tuple[list[list[float]], list[float]]:
        """Distribution function of scaled errors for interpolation: sorted errors by horizon, and the
        probabilities of a smaller error, which all horizons share.
        """
        far, edge = np.full((len(self.month), 1), _FAR), 1e-9
        rows = np.hstack([-far, self.month[:, :1] - edge, self.month, self.month[:, -1:] + edge, far])
        return rows.tolist(), [0.0, 0.0, *self.levels.tolist(), 1.0, 1.0]

    @cached_property
    def _one_axis(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rows of `error_chances` on one axis, shifted apart by horizon, so that one interpolation serves all
        horizons: errors, probabilities, and the shift of each horizon.
        """
        rows, chances = self.error_chances
        apart = 3 * _FAR * np.arange(len(rows), dtype=np.float64)
        return (np.array(rows) + apart[:, None]).ravel(), np.tile(chances, len(rows)), apart

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; paths are rounded to five decimals."""
        plain = {name: getattr(self, name).tolist() for name in ("levels", "month", "total", "common")}
        paths = {name: np.round(getattr(self, name), 5).tolist() for name in ("own_paths", "common_paths")}
        parts = {name: getattr(self, name).to_json() for name in ("scales", "young", "levers")}
        return plain | paths | parts

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> IntervalTables:
        """Inverse of `to_json`, up to the rounding of paths."""
        arrays = ("levels", "month", "total", "common", "own_paths", "common_paths")
        return cls(
            **{name: np.array(stored[name], dtype=np.float64) for name in arrays},
            scales=ScaleModel.from_json(stored["scales"]),
            young=YoungStudios.from_json(stored["young"]),
            levers=LeverShares.from_json(stored["levers"]),
        )


def _between(mean: FloatArray, deviation: FloatArray, ends: FloatArray) -> FloatArray:
    """Quantiles of a distribution with a given mean, from the quantiles of its scaled log error."""
    return np.asarray(mean * np.exp(deviation * (ends - 0.5 * deviation)))
