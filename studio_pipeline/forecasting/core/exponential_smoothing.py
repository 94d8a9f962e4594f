"""Exponential smoothing of each studio separately: level, damped trend and season, averaged over settings.

The Kalman filter of `kalman_filter` has one setting for all studios of a panel. Studios that differ in how
fast they change are forecast better with settings of their own: a small grid of settings is run in parallel,
and a studio's forecast is their weighted mean. Weights depend on each setting's past errors for the studio,
shrunk towards those for the panel. Gains start as those of a plain mean, so that short histories are
averaged. A forecast uses no month after its origin.
Sources: Gardner (2006), Exponential Smoothing: The State of the Art, part II (damped trend, additive season);
Vovk (1990) for the exponential weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

_LEVEL_GAINS = (0.1, 0.3, 0.7)
_SEASON_GAINS = (0.05, 0.3)
_TREND_SHARES = (0.0, 0.15)
_TREND_DAMPING = 0.9
_FIRST_SEASONS = 3.0
"""Weight of the type's season against the studio's own, in years of data."""

_JUDGED_HORIZONS = (1, 3, 6)
_AHEAD = np.array([np.sum(_TREND_DAMPING ** np.arange(1, h + 1)) for h in _JUDGED_HORIZONS])
"""Factor of the monthly trend in a forecast h months ahead, for each judged horizon."""

_MEMORY = 0.97
_OWN_SHARE = 0.7
_SHARPNESS = 30.0
_OUTLIER_ERRORS = 4.0
_ERROR_MEMORY = 0.9
_SMALLEST_ERROR = 0.05


def own_smoothing(
    values: FloatArray,
    season: FloatArray,
    calendar_months: IntArray,
    columns: IntArray,
    typical: FloatArray | None = None,
) -> FloatArray:
    """(S, C, 12) forecasts of every studio from the given months; NaN before a studio's first month.

    Args:
        values: (S, T) on a logarithmic scale; NaN where unknown.
        season: (S, 12) seasonal factors that a studio starts from, on the same scale.
        columns: (C,) columns of the months to forecast from, increasing.
        typical: (T, P) `typical_losses` of the panel, if the studios are part of a larger one; (T, P, S) if
            they belong to different panels.
    """
    found = np.empty((len(values), len(columns), MAX_HORIZON_MONTHS))
    places = {int(column): place for place, column in enumerate(columns)}
    last = max(places, default=-1) + 1
    for t, (smoother, record) in enumerate(_smoothed(values[:, :last], season, calendar_months)):
        if t in places:
            losses = record.typical() if typical is None else typical[t].reshape(smoother.n_settings, -1)
            found[:, places[t]] = smoother.mixed(record.weights(losses), int(calendar_months[t]))
    return found


def typical_losses(values: FloatArray, season: FloatArray, calendar_months: IntArray) -> FloatArray:
    """(T, P) median relative log loss of each setting over the studios; arguments as in `own_smoothing`."""
    return np.stack([record.typical()[:, 0] for _, record in _smoothed(values, season, calendar_months)])


def _smoothed(
    values: FloatArray, season: FloatArray, calendar_months: IntArray
) -> Iterator[tuple[_Smoother, _Record]]:
    smoother = _Smoother(season)
    record = _Record(smoother.n_settings, len(values))
    # Ring buffer of the forecasts made for this month and each month up to the longest judged horizon.
    span = max(_JUDGED_HORIZONS) + 1
    made = np.full((span, smoother.n_settings, len(_JUDGED_HORIZONS), len(values)), np.nan)
    for t in range(values.shape[1]):
        value, month = values[:, t], int(calendar_months[t])
        record.add(np.abs(made[t % span] - value))
        smoother.step(value, month)
        ahead = smoother.forecasts(month)
        for k, h in enumerate(_JUDGED_HORIZONS):
            made[(t + h) % span, :, k] = ahead[:, k]
        yield smoother, record


class _Smoother:
    """Running states of P settings for S studios."""

    def __init__(self, season: FloatArray) -> None:
        grid = np.array(list(product(_LEVEL_GAINS, _SEASON_GAINS, _TREND_SHARES)))
        self.level_gain, self.season_gain, self.trend_share = grid.T[:, :, None]
        self.n_settings, n_studios = len(grid), len(season)
        self.level = np.full((self.n_settings, n_studios), np.nan)
        self.trend = np.zeros((self.n_settings, n_studios))
        self.season = np.broadcast_to(season.T, (self.n_settings, 12, n_studios)).copy()
        self.months, self.years = np.zeros(n_studios), np.zeros((12, n_studios))
        self.typical_error = np.full(n_studios, np.nan)

    def step(self, value: FloatArray, month: int) -> None:
        """Update the states by one month of (S,) values."""
        here = np.isfinite(value)
        first = here & (self.months == 0)
        self.level = np.where(first, value - self.season[:, month], self.level)
        expected = self.level + _TREND_DAMPING * self.trend
        judged = here & ~first
        error = self._cut(np.where(judged, value - expected - self.season[:, month], 0.0), judged)
        gain = np.maximum(self.level_gain, 1 / (self.months + 1))
        season_gain = np.maximum(self.season_gain, 1 / (self.years[month] + _FIRST_SEASONS)) * (1 - gain)
        self.level = expected + gain * error
        self.trend = _TREND_DAMPING * self.trend + gain * self.trend_share * error
        self.season[:, month] += season_gain * error
        self.months += here
        self.years[month] += here

    def _cut(self, error: FloatArray, judged: BoolArray) -> FloatArray:
        usual = self.typical_error
        begun = np.isfinite(usual)
        limit = _OUTLIER_ERRORS * np.where(begun, usual, np.inf)
        size = np.minimum(_median(np.abs(error)), limit)
        first = np.maximum(size, _SMALLEST_ERROR)
        moved = np.where(begun, _ERROR_MEMORY * usual + (1 - _ERROR_MEMORY) * size, first)
        self.typical_error = np.where(judged, moved, usual)
        return np.asarray(np.minimum(np.maximum(error, -limit), limit))

    def forecasts(self, month: int) -> FloatArray:
        """(P, K, S) forecasts over `_JUDGED_HORIZONS` from a calendar month."""
        season = self.season[:, [(month + h) % 12 for h in _JUDGED_HORIZONS]]
        return np.asarray(self.level[:, None] + _AHEAD[:, None] * self.trend[:, None] + season)

    def mixed(self, weights: FloatArray, month: int) -> FloatArray:
        """(S, 12) forecasts, weighted means over the settings."""
        steps = np.arange(1, MAX_HORIZON_MONTHS + 1)
        ahead = np.cumsum(_TREND_DAMPING**steps)
        level, trend = (weights * self.level).sum(0), (weights * self.trend).sum(0)
        season = (weights[:, None] * self.season).sum(0)[(month + steps) % 12]
        return np.asarray(level[:, None] + trend[:, None] * ahead + season.T)


def _median(values: FloatArray) -> FloatArray:
    """(S,) medians over (P, S) finite values, without np.median's checks for NaN."""
    ordered = np.sort(values, axis=0)
    return np.asarray((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)


class _Record:
    def __init__(self, n_settings: int, n_studios: int) -> None:
        self.loss, self.count = np.zeros((n_settings, n_studios)), np.zeros(n_studios)

    def add(self, missed: FloatArray) -> None:
        """Add a month of (P, K, S) absolute errors over `_JUDGED_HORIZONS`, NaN without forecast or actual
        value, and discount them by one month.
        """
        known = np.asarray(np.isfinite(missed).all(0))
        counted = np.where(known, missed, 0.0)
        for k in range(len(_JUDGED_HORIZONS)):
            self.loss += counted[:, k]
            self.count += known[k]
        self.loss *= _MEMORY
        self.count *= _MEMORY

    def typical(self) -> FloatArray:
        """(P, 1) median over the studios of each setting's log loss relative to the mean; NaN before any."""
        own, judged = self._own()
        if not judged.any():
            return np.full((len(own), 1), np.nan)
        return np.asarray(np.median(own[:, judged], axis=1, keepdims=True))

    def weights(self, typical: FloatArray) -> FloatArray:
        """(P, S) weights that sum to one over the settings. `typical`: (P, 1) or (P, S) losses of the panel;
        NaN where none are known.
        """
        own, _ = self._own()
        score = -_SHARPNESS * (_OWN_SHARE * own + (1 - _OWN_SHARE) * typical)
        raised = np.exp(np.where(np.isnan(score), 0.0, score - score.max(0)))
        return np.asarray(raised / raised.sum(0))

    def _own(self) -> tuple[FloatArray, BoolArray]:
        """(P, S) log loss of each setting relative to the studio's mean loss, 0 where the (S,) mask of judged
        studios is False; and that mask.
        """
        judged = (self.count > 0) & (self.loss.min(0) > 0)
        own = np.zeros_like(self.loss)
        own[:, judged] = np.log(self.loss[:, judged] / self.loss[:, judged].mean(0))
        return own, judged
