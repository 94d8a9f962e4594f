"""Where a studio's errors come from: components read from the residuals' variogram.

Source: Cressie, Statistics for Spatial Data, section 2.4 (the variogram's estimate and its fit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.panel_rows import PanelRows
from studio_pipeline.panel.arrays import FloatArray, IntArray

_LONGEST_LAG = 24
_PERSISTENCES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_CUT_SPREADS = 4.0


@dataclass(frozen=True)
class ErrorComponents:
    """Where a studio's errors come from; variances on the outcome's scale squared.

    Attributes:
        noise: of a single month beyond counting.
        deviation: of a mood that fades.
        persistence: monthly survival of that mood, 0..1.
        walk: monthly variance of the steps of a slow walk.
        season: of a studio's own departure in each month of the year.
    """

    noise: float
    deviation: float
    persistence: float
    walk: float
    season: float

    def covariance(self, calendar_months: IntArray) -> FloatArray:
        """(T, T) of one studio's months, noise left out."""
        month = np.arange(len(calendar_months))
        return np.asarray(
            self.deviation * self.persistence ** np.abs(month[:, None] - month)
            + self.walk * np.minimum(month[:, None], month)
            + self.season * (calendar_months[:, None] == calendar_months)
        )


def error_components(rows: PanelRows, residual: FloatArray) -> ErrorComponents:
    """The components whose variogram is nearest that of the residuals.

    Args:
        rows: the studio-months.
        residual: (S, T) with effects of studio and market out.
    """
    from scipy.optimize import nnls

    size = np.abs(residual[rows.known])
    cut = _CUT_SPREADS * max(float(np.median(size)) / 0.6745 if size.size else 0.0, 1e-9)
    residual = np.clip(residual, -cut, cut)
    lags = np.arange(1, max(min(_LONGEST_LAG, residual.shape[1] - 2), 1) + 1)
    found, pairs = np.array([_variogram(rows, residual, lag) for lag in lags]).T
    weight = np.sqrt(pairs / lags)
    best = (np.inf, ErrorComponents(0.0, 0.0, _PERSISTENCES[0], 0.0, 0.0))
    for persistence in _PERSISTENCES:
        shapes = np.stack([np.ones(len(lags)), 1 - persistence**lags, lags / 2, lags % 12 != 0], 1)
        (noise, deviation, walk, season), distance = nnls(shapes * weight[:, None], found * weight)
        if distance < best[0]:
            best = (distance, ErrorComponents(noise, deviation, persistence, walk, season))
    floor = 1e-3 * float((residual[rows.known] ** 2).mean() if size.size else 1.0) + 1e-9
    chosen = best[1]
    return ErrorComponents(
        max(chosen.noise, floor), chosen.deviation, chosen.persistence, chosen.walk, chosen.season
    )


def _variogram(rows: PanelRows, residual: FloatArray, lag: int) -> tuple[float, float]:
    """Half the mean squared difference of months `lag` apart beyond counting, and the number of pairs."""
    pairs = rows.known[:, lag:] & rows.known[:, :-lag]
    half = (residual[:, lag:] - residual[:, :-lag]) ** 2 / 2 - rows.counting[:, None]
    return (float(half[pairs].mean()) if pairs.any() else 0.0), float(pairs.sum())
