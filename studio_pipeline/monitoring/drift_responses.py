"""Whether a lever still does what it did: each month's slope against the slope of all months before it."""

from __future__ import annotations

import numpy as np

from studio_pipeline.panel.arrays import FloatArray

RESPONSES: tuple[tuple[str, str], ...] = (
    ("avg_ticket_price", "retention_rate"),
    ("avg_ticket_price", "new_members"),
    ("class_attendance_rate", "retention_rate"),
    ("staff_utilization_rate", "retention_rate"),
)
"""Lever, and the series that responds to it."""
LEAST_MONTHS = 6
PRIOR_MONTHS = 12.0
CLIP = 3.0


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
    cross = power = squares = 0.0
    n_scored = n_known = 0
    size = 0.0
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
                score = (slopes[month] - cross / power) / error
                scores[month] = score / np.sqrt(
                    max((PRIOR_MONTHS + squares) / (PRIOR_MONTHS + n_scored), 1.0)
                )
                squares, n_scored = squares + score**2, n_scored + 1
            cross, power, n_known = cross + month_cross, power + month_power, n_known + 1
            size = float(np.sqrt(power / max(_count(response, lever, month), 1)))
    return scores, slopes, weights


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
