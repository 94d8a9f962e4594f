"""Market factor: the error that a forecast makes for all studios of an origin at once.

Thousands of studio months are only a few dozen calendar months, and a year ahead they are two or three: what
the years at hand (a shock, its recovery) did to forecasts is weak evidence on the next year. The covariance
of the common error over the months ahead is therefore put together of what the backtest's origins show,
recent ones above old ones, and of a market that walks with the one-month surprises of the same months, a
little of each going on in the next; each counts by how many separate spans of that length it rests on.
Source: one-way random effects for the split into common and own; Bayesian shrinkage of a covariance matrix
towards a structured one, Ledoit & Wolf (2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray

_FEWEST_SHARING = 8
_OUTLYING_DEVIATIONS = 3.0
_CONTINUATION = 0.15


@dataclass(frozen=True)
class Split:
    """Residuals, split.

    Attributes:
        own: (N, H) each studio's own part; NaN where not known.
        months: (M,) the distinct months, increasing.
        common: (M, H) what is common to an origin month; NaN where it is not shared.
        noise: (M, H) variance that averaging own residuals leaves in `common`; 0 where that is NaN.
        correlation: (H, H) of own residuals over the months ahead, and so of that noise.
    """

    own: FloatArray
    months: IntArray
    common: FloatArray
    noise: FloatArray
    correlation: FloatArray


def split_common(residuals: FloatArray, months: IntArray) -> Split:
    """What is each studio's own, and what is common to an origin month.

    Months that fewer than eight studios share are left whole: there is nothing to tell apart.

    Args:
        residuals: (N, H), NaN where not known.
        months: (N,) the origins' calendar months, any integers that tell them apart.
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
    """(H, H) correlation of (N, H) columns with mean 0 over the rows that both know; 0 where none does."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    products = filled.T @ filled
    sizes = (filled**2).T @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        found = products / np.sqrt(sizes * sizes.T)
    return np.where(np.isfinite(found), found, 0.0)


def _robust_mean(values: FloatArray, group: IntArray, count: IntArray) -> FloatArray:
    """(M,) mean of each group, values beyond three of its deviations cut."""
    size = np.maximum(count, 1)
    mean = np.bincount(group, values, len(count)) / size
    deviation = np.sqrt(np.bincount(group, (values - mean[group]) ** 2, len(count)) / size)
    reach = _OUTLYING_DEVIATIONS * deviation[group]
    cut = np.clip(values, mean[group] - reach, mean[group] + reach)
    return np.asarray(np.bincount(group, cut, len(count)) / size)


def common_covariance(split: Split, half_life_months: float, prior_spans: float) -> FloatArray:
    """(H, H) covariance of the common error over the months ahead; all 0 where no month is shared.

    Args:
        split: of the residuals.
        half_life_months: age at which an origin counts half.
        prior_spans: separate spans of evidence that the walk counts for.
    """
    common, deviation = split.common, np.sqrt(split.noise)
    known = np.isfinite(common)
    if not known[:, :1].any():
        return np.zeros((common.shape[1], common.shape[1]))
    weight = 0.5 ** ((split.months.max() - split.months) / half_life_months)
    filled = np.where(known, common, 0.0)
    pairs = np.einsum("m,mh,mj->hj", weight, known.astype(float), known.astype(float))
    products = np.einsum("m,mh,mj->hj", weight, filled, filled)
    products -= np.einsum("m,mh,mj->hj", weight, deviation, deviation) * split.correlation
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.where(pairs > 0, products / pairs, 0.0)
    steps = np.arange(1, common.shape[1] + 1)
    walk = max(float(seen[0, 0]), 0.0) * _walk(common.shape[1])
    spans = pairs / np.maximum.outer(steps, steps)
    return _nearest_covariance((spans * seen + prior_spans * walk) / (spans + prior_spans))


def _walk(n_steps: int) -> FloatArray:
    """(H, H) covariance of a walk whose steps have unit variance and hang together a little."""
    steps = np.arange(n_steps)
    together = _CONTINUATION ** np.abs(np.subtract.outer(steps, steps))
    return np.asarray(together.cumsum(0).cumsum(1))


def _nearest_covariance(matrix: FloatArray) -> FloatArray:
    """The same with negative eigenvalues set to 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
