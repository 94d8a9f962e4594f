"""What anybody could forecast with a spreadsheet: persistence, seasonal naive, and seasonal naive times
recent growth.
"""

from __future__ import annotations

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray

BASELINES: tuple[str, ...] = ("persistence", "seasonal_naive", "seasonal_naive_growth")

_GROWTH_MONTHS = 3
_LARGEST_GROWTH = 2.0


def baseline_forecasts(
    values: FloatArray, rows: IntArray, columns: IntArray, horizon_months: int
) -> dict[str, FloatArray]:
    """Each baseline's (N, H) forecast from N origins.

    Args:
        values: (S, T) the target; NaN where unknown.
        rows: (N,) studio rows.
        columns: (N,) month columns of the origins.
        horizon_months: H, 1..12.

    Returns:
        NaN where the origin itself is unknown; a seasonal naive without the month a year before is
        persistence.
    """
    last = values[rows, columns][:, None]
    before = columns[:, None] + np.arange(1, horizon_months + 1) - 12
    year_ago = np.where(before >= 0, values[rows[:, None], np.maximum(before, 0)], np.nan)
    persistence = np.broadcast_to(last, year_ago.shape).copy()
    seasonal = np.where(np.isfinite(year_ago), year_ago, persistence)
    grown = np.where(np.isfinite(year_ago), year_ago * _growth(values, rows, columns)[:, None], persistence)
    return {
        "persistence": persistence,
        "seasonal_naive": np.where(np.isfinite(last), seasonal, np.nan),
        "seasonal_naive_growth": np.where(np.isfinite(last), grown, np.nan),
    }


def _growth(values: FloatArray, rows: IntArray, columns: IntArray) -> FloatArray:
    """(N,) sum of the last three months over that of the same months a year before; 1 where unknown."""
    steps = columns[:, None] - np.arange(_GROWTH_MONTHS)
    now = values[rows[:, None], np.maximum(steps, 0)]
    then = values[rows[:, None], np.maximum(steps - 12, 0)]
    known = np.isfinite(now) & np.isfinite(then) & (steps >= 12)
    total_now, total_then = np.where(known, now, 0).sum(1), np.where(known, then, 0).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(total_then > 0, total_now / total_then, 1.0)
    return np.clip(growth, 1 / _LARGEST_GROWTH, _LARGEST_GROWTH)
