"""Change of a lever's response: likelihood ratio test of recent against earlier pooled slopes.

Works on surprises (`levels`); the chart and its threshold are in `charts` and `statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.panel.arrays import FloatArray

RESPONSES: tuple[tuple[str, str], ...] = (
    ("avg_ticket_price", "retention_rate"),
    ("avg_ticket_price", "new_members"),
)
"""Lever, and the series that responds to it. The effects of crowding and overwork have a threshold, so that
their slopes change without drift; they are not watched."""
LEAST_MONTHS = 12
CLIP = 3.0
BLOCK_MONTHS, BLOCK_LAG = 6, 12
PRIOR_MONTHS = 12.0


@dataclass(frozen=True)
class MonthlySlopes:
    """Monthly regression sums of a slope, pooled over studios; (T,) each.

    Attributes:
        cross: sum over studios of lever times response.
        power: sum of the squared lever: the Fisher information, as the response has variance 1.
    """

    cross: FloatArray
    power: FloatArray

    def slope(self, start: int, stop: int) -> float:
        """Pooled slope of the columns start..stop-1, response per unit of the lever; NaN if unknown."""
        power = float(self.power[start:stop].sum())
        return float(self.cross[start:stop].sum()) / power if power > 0 else float("nan")


def monthly_slopes(response: FloatArray, lever: FloatArray) -> MonthlySlopes:
    """Regress a response on a lever, month by month.

    Args:
        response: (S, T) the response's surprises in units of their scale.
        lever: (S, T) the lever's surprises under the same smoothing, any scale; they are clipped to `CLIP`
            times the root mean square of the months before.
    """
    n_months = response.shape[1]
    cross, power = np.zeros(n_months), np.zeros(n_months)
    total, count = 0.0, 0
    for month in range(n_months):
        known = np.isfinite(response[:, month]) & np.isfinite(lever[:, month])
        x, y = lever[known, month], response[known, month]
        if total > 0:
            limit = CLIP * np.sqrt(total / count)
            x = np.clip(x, -limit, limit)
        power[month], cross[month] = float((x * x).sum()), float((x * y).sum())
        total, count = total + power[month], count + int(known.sum())
    return MonthlySlopes(cross, power)


def slope_changes(slopes: MonthlySlopes, windows: Sequence[int]) -> FloatArray:
    """(W, T) standardised difference of the slope of the last w months from that of all months before them.

    It is the likelihood ratio test of a change w months ago, N(0, 1) without one. NaN where fewer than
    `LEAST_MONTHS` months come before. If half-yearly slopes varied by more than chance in the past, the
    statistic is divided by that excess; the last year is excluded from it, so that a change does not mask
    itself.
    """
    raw = np.stack([_changes(slopes, width) for width in windows])
    block = _changes(slopes, BLOCK_MONTHS)
    known = np.isfinite(block)
    squares = np.cumsum(np.where(known, np.clip(block, -CLIP, CLIP), 0.0) ** 2)
    mean = (PRIOR_MONTHS + squares) / (PRIOR_MONTHS + np.cumsum(known))
    before = np.concatenate([np.ones(BLOCK_LAG), mean])[: len(mean)]
    return np.asarray(raw / np.sqrt(np.maximum(before, 1.0)))


def _changes(slopes: MonthlySlopes, width: int) -> FloatArray:
    n_months = len(slopes.power)
    cross = np.concatenate([[0.0], np.cumsum(slopes.cross)])
    power = np.concatenate([[0.0], np.cumsum(slopes.power)])
    months = np.concatenate([[0], np.cumsum(slopes.power > 0)])
    stops = np.arange(1, n_months + 1)
    starts = np.maximum(stops - width, 0)
    recent, past = power[stops] - power[starts], power[starts]
    usable = (months[starts] >= LEAST_MONTHS) & (recent > 0)
    out = np.full(n_months, np.nan)
    at, since, a, b = stops[usable], starts[usable], recent[usable], past[usable]
    difference = (cross[at] - cross[since]) / a - cross[since] / b
    out[usable] = difference / np.sqrt(1 / a + 1 / b)
    return out
