"""Calibrating the intervals on out-of-fold forecasts: what is each studio's own, and what hits all of them at
once.

Thousands of studio months are only a few dozen calendar months: a market that moved little in the months at
hand may move more in those to come. So residuals are split into the month's common error and the studio's
own. The own ones keep their empirical quantiles; the common error gets a variance that grows with the
horizon, pooled over horizons, and is widened by how few months it was seen in (Student's t). Both are put
together again by convolution.
Source: split conformal prediction, Lei et al. (2018), for the own part; one-way random effects for the split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.panel.arrays import FloatArray, IntArray

_GRID = np.concatenate([[0.0005, 0.001, 0.0025], np.linspace(0.005, 0.995, 199), [0.9975, 0.999, 0.9995]])
_DEFAULT_RESIDUAL = 1.2
_FEWEST_RESIDUALS = 40
_FEWEST_SHARING = 8
_POOLED_MONTHS = 6.0
_OWN_QUANTILES = 400
_COMMON_QUANTILES = 41


@dataclass(frozen=True)
class CommonError:
    """What hits all studios of an origin month at once, by horizon.

    Attributes:
        variance: (H,) of the scaled residuals' common part, already widened for the few months it was seen
        in.
    """

    variance: FloatArray


def fit_intervals(
    forecast: FloatArray,
    actual: FloatArray,
    scale: FloatArray,
    months: IntArray,
    panel_scale: float,
    own_scale_months: float,
) -> IntervalTables:
    """Tables from N out-of-fold forecasts of H months.

    Args:
        forecast: (N, H).
        actual: (N, H), NaN where not known.
        scale: (N,) the studios' scales at the origins.
        months: (N,) the origins' calendar months, any integers that tell them apart.
        panel_scale: of the panel.
        own_scale_months: as used for `scale`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        month = np.log(np.maximum(actual, 0.01 * forecast) / forecast) / scale[:, None]
        summed, expected = np.cumsum(actual, 1), np.cumsum(forecast, 1)
        total = np.log(np.maximum(summed, 0.01 * expected) / expected) / scale[:, None]
    return IntervalTables(
        _GRID, _tables(month, months), _tables(total, months), panel_scale, own_scale_months
    )


def _tables(residuals: FloatArray, months: IntArray) -> FloatArray:
    """(H, Q) quantiles; a horizon with few residuals borrows the nearest shorter one's, widened."""
    own, common = split_common(residuals, months)
    tables = np.empty((residuals.shape[1], len(_GRID)))
    for h in range(residuals.shape[1]):
        known = own[np.isfinite(own[:, h]), h]
        if len(known) >= _FEWEST_RESIDUALS:
            tables[h] = _convolved(known, float(np.sqrt(common.variance[h])))
        else:
            tables[h] = tables[h - 1] * np.sqrt((h + 1) / h) if h else _DEFAULT_RESIDUAL * _heavy_quantiles()
    return tables


def split_common(residuals: FloatArray, months: IntArray) -> tuple[FloatArray, CommonError]:
    """Own residuals (N, H), and the common error taken out of them.

    Months that fewer than `_FEWEST_SHARING` studios share are left whole: there is nothing to tell apart.
    """
    n_horizons = residuals.shape[1]
    own, seen, variance = residuals.copy(), np.zeros(n_horizons), np.zeros(n_horizons)
    _, group = np.unique(months, return_inverse=True)
    for h in range(n_horizons):
        known = np.isfinite(residuals[:, h])
        count = np.bincount(group[known], minlength=group.max(initial=0) + 1)
        shared = known & (count[group] >= _FEWEST_SHARING)
        if shared.any():
            mean = np.bincount(group[known], residuals[known, h], len(count)) / np.maximum(count, 1)
            own[shared, h] -= mean[group[shared]]
            used = count >= _FEWEST_SHARING
            noise = float(own[shared, h].var()) / count[used]
            seen[h] = used.sum()
            variance[h] = max(float((mean[used] ** 2 - noise).mean()), 0.0)
    return own, CommonError(_pooled(variance, seen))


def _pooled(variance: FloatArray, seen: FloatArray) -> FloatArray:
    """(H,) common variances, pulled towards growth with the horizon and widened by Student's t."""
    if not seen.any():
        return np.zeros_like(variance)
    horizon = np.arange(1, len(variance) + 1)
    growth = float((seen * variance / horizon).sum() / seen.sum())
    pooled = (seen * variance + _POOLED_MONTHS * growth * horizon) / (seen + _POOLED_MONTHS)
    widening = stats.t.ppf(0.95, max(float(seen.max()), 3.0)) / stats.norm.ppf(0.95)
    return np.asarray(pooled * widening**2)


def _convolved(own: FloatArray, common_deviation: float) -> FloatArray:
    """(Q,) finite-sample quantiles of own residuals plus a normal common error."""
    outward = np.clip(0.5 + (_GRID - 0.5) * (1 + 1 / len(own)), 0, 1)
    if common_deviation == 0:
        return np.asarray(np.quantile(own, outward))
    middle = (np.arange(_OWN_QUANTILES) + 0.5) / _OWN_QUANTILES
    shifts = common_deviation * stats.norm.ppf((np.arange(_COMMON_QUANTILES) + 0.5) / _COMMON_QUANTILES)
    return np.asarray(np.quantile(np.add.outer(np.quantile(own, middle), shifts), outward))


def _heavy_quantiles() -> FloatArray:
    """Quantiles of the logistic distribution with unit variance: near normal, with a heavier tail."""
    return np.asarray(np.log(_GRID / (1 - _GRID)) * np.sqrt(3) / np.pi)
