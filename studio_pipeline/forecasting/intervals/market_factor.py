"""Market factor: the part of the forecast error that all studios of an origin share, and its covariance.

Thousands of studio months are only a few dozen calendar months, with two or three separate spans of a year:
the market errors of one backtest (a shock, its recovery) are weak evidence for the next year. The covariance
over the months ahead is therefore the backtest's, with recent origins weighing more, shrunk towards that of a
random walk with slightly correlated steps. The weight of the evidence is the number of separate spans of that
length. The walk's one-month variance is that of the same months, combined with a prior.
Source: one-way random effects for the split into market and own error; Bayesian shrinkage of a covariance
matrix towards a structured one, Ledoit & Wolf (2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import IntervalHyperparameters
from studio_pipeline.panel.arrays import FloatArray, IntArray

_FEWEST_SHARING = 8
_OUTLYING_DEVIATIONS = 3.0
_CONTINUATION = 0.15


@dataclass(frozen=True)
class Split:
    """Residuals, split into a market part and own parts."""

    own: FloatArray  # (N, H) each studio's own part; NaN where not known
    months: IntArray  # (M,) the distinct origin months, increasing
    common: FloatArray  # (M, H) market part by origin month; NaN where too few studios share the month
    noise: FloatArray  # (M, H) variance of `common` from averaging own residuals; 0 where that is NaN
    correlation: FloatArray  # (H, H) of own residuals over the months ahead, and so of that noise


def split_common(residuals: FloatArray, months: IntArray) -> Split:
    """Splits residuals into the market part of each origin month and each studio's own part.

    Residuals of months that fewer than eight studios share count as own: the mean of so few would be noise.

    `residuals`: (N, H), NaN where not known; `months`: (N,) the origins' calendar months as numbers.
    """
    distinct, group = np.unique(months, return_inverse=True)
    own = residuals.copy()
    common = np.full((len(distinct), residuals.shape[1]), np.nan)
    noise = np.zeros_like(common)
    for h in range(residuals.shape[1]):
        known = np.isfinite(residuals[:, h])
        rows, of = residuals[known, h], group[known]
        count = np.bincount(of, minlength=len(distinct))
        mean = _robust_mean(rows, of, count)
        shared = count >= _FEWEST_SHARING
        own[known, h] = rows - np.where(shared, mean, 0.0)[of]
        common[shared, h] = mean[shared]
        spread = np.bincount(of, own[known, h] ** 2, len(distinct)) / np.maximum(count - 1, 1)
        noise[shared, h] = spread[shared] / count[shared]
    return Split(own, distinct, common, noise, _correlation(own))


def _correlation(values: FloatArray) -> FloatArray:
    """(H, H) correlation of (N, H) columns with mean 0, over the rows where both are known; 0 without any."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    products = filled.T @ filled
    sizes = (filled**2).T @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        found = products / np.sqrt(sizes * sizes.T)
    return np.where(np.isfinite(found), found, 0.0)


def _robust_mean(values: FloatArray, group: IntArray, count: IntArray) -> FloatArray:
    """(M,) mean of each group, with values beyond three of its standard deviations clipped."""
    size = np.maximum(count, 1)
    mean = np.bincount(group, values, len(count)) / size
    deviation = np.sqrt(np.bincount(group, (values - mean[group]) ** 2, len(count)) / size)
    reach = _OUTLYING_DEVIATIONS * deviation[group]
    cut = np.clip(values, mean[group] - reach, mean[group] + reach)
    return np.asarray(np.bincount(group, cut, len(count)) / size)


def common_covariance(split: Split, hyperparameters: IntervalHyperparameters) -> FloatArray:
    """(H, H) covariance of the market error over the months ahead; 0 if no month has a market part."""
    common, deviation = split.common, np.sqrt(split.noise)
    known = np.isfinite(common)
    if not known[:, :1].any():
        return np.zeros((common.shape[1], common.shape[1]))
    weight = 0.5 ** ((split.months.max() - split.months) / hyperparameters.half_life_months)
    filled = np.where(known, common, 0.0)
    pairs = np.einsum("m,mh,mj->hj", weight, known.astype(float), known.astype(float))
    products = np.einsum("m,mh,mj->hj", weight, filled, filled)
    products -= np.einsum("m,mh,mj->hj", weight, deviation, deviation) * split.correlation
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.where(pairs > 0, products / pairs, 0.0)
    steps = np.arange(1, common.shape[1] + 1)
    evidence, prior_months = float(pairs[0, 0]), hyperparameters.market_prior_months
    step = evidence * max(float(seen[0, 0]), 0.0) + prior_months * hyperparameters.market_prior_deviation**2
    walk = step / max(evidence + prior_months, 1e-9) * _walk(common.shape[1])
    spans, prior_spans = pairs / np.maximum.outer(steps, steps), hyperparameters.market_prior_spans
    return _nearest_covariance((spans * seen + prior_spans * walk) / (spans + prior_spans))


def _walk(n_steps: int) -> FloatArray:
    """(H, H) covariance of a random walk with slightly correlated steps of unit variance."""
    steps = np.arange(n_steps)
    together = _CONTINUATION ** np.abs(np.subtract.outer(steps, steps))
    return np.asarray(together.cumsum(0).cumsum(1))


def _nearest_covariance(matrix: FloatArray) -> FloatArray:
    """The symmetric part of a matrix, with negative eigenvalues set to 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
