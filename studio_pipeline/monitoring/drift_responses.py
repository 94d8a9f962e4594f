"""Whether a lever still does what it did: each month's slope against the slope of all months before it."""

from __future__ import annotations

import numpy as np

from studio_pipeline.monitoring.drift_statistics import window_sums
from studio_pipeline.panel.arrays import FloatArray

RESPONSES: tuple[tuple[str, str], ...] = (
    ("avg_ticket_price", "retention_rate"),
    ("avg_ticket_price", "new_members"),
    ("class_attendance_rate", "retention_rate"),
    ("staff_utilization_rate", "retention_rate"),
)
"""Lever, and the series that responds to it."""
LEAST_MONTHS = 6
CLIP = 3.0
BLOCK_MONTHS = 6
PRIOR_MONTHS = 12.0


def slope_scores(response: FloatArray, lever: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Recursive residuals of the pooled slope (Brown, Durbin and Evans 1975), a month at a time.

    Args:
        response: (S, T) normal scores of the response's surprises.
        lever: (S, T) the lever's surprises under the same smoothing, any scale.

    Returns:
        (T,) scores: month's slope less the slope until then over its standard error, N(0, 1) while the response
        is what it was; (T,) month's slopes; (T,) the information in each, as the sum of squared lever surprises
        in units of their past size.
    """
    n_months = response.shape[1]
    scores, slopes, weights = np.full(n_months, np.nan), np.full(n_months, np.nan), np.zeros(n_months)
    cross = power = size = 0.0
    n_known = 0
    for month in range(n_months):
        known = np.isfinite(response[:, month]) & np.isfinite(lever[:, month])
        x, y = lever[known, month], response[known, month]
        if size > 0:
            x = np.clip(x, -CLIP * size, CLIP * size)
        month_power, month_cross = float((x * x).sum()), float((x * y).sum())
        if month_power > 0:
            slopes[month], weights[month] = month_cross / month_power, month_power
            if n_known >= LEAST_MONTHS and power > 0:
                error = np.sqrt(1 / month_power + 1 / power)
                scores[month] = (slopes[month] - cross / power) / error
            cross, power, n_known = cross + month_cross, power + month_power, n_known + 1
            size = float(np.sqrt(power / max(_count(response, lever, month), 1)))
    return _drawn_in(scores), slopes, weights


def _drawn_in(scores: FloatArray) -> FloatArray:
    """Scores over the root mean square that half-yearly sums of the months before had, where that is above 1.

    A response that wanders of itself, as one that is no straight line does, has sums wider than its months.
    """
    sums = window_sums(scores, (BLOCK_MONTHS,))[0]
    known = np.isfinite(sums)
    squares = np.cumsum(np.where(known, np.minimum(np.abs(sums), CLIP), 0.0) ** 2)
    mean = (PRIOR_MONTHS + squares) / (PRIOR_MONTHS + np.cumsum(known))
    before = np.concatenate([[1.0], mean[:-1]])
    return np.asarray(scores / np.sqrt(np.maximum(before, 1.0)))


def _count(response: FloatArray, lever: FloatArray, month: int) -> int:
    known = np.isfinite(response[:, : month + 1]) & np.isfinite(lever[:, : month + 1])
    return int(known.sum())


def slope_change(slopes: FloatArray, weights: FloatArray, since: int, until: int) -> tuple[float, float]:
    """Pooled slope before column `since`, and from it to `until`; NaN where there is none."""
    return _pooled(slopes[:since], weights[:since]), _pooled(
        slopes[since : until + 1], weights[since : until + 1]
    )


def _pooled(slopes: FloatArray, weights: FloatArray) -> float:
    total = weights.sum()
    return float(np.nansum(slopes * weights) / total) if total > 0 else float("nan")
