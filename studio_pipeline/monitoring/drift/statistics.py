"""Log-likelihood-ratio statistics of a change, and their thresholds without drift.

A change that began `w` months ago shifts the sum of the last `w` scores. For one path the statistic is half
the largest squared standardised sum over the windows; for many studios, of which an unknown few are affected,
it is the mixture likelihood ratio, one direction at a time.

Without drift, scores are N(0, 1) and independent, so the distribution of the yearly maximum depends on the
number of studios or paths alone. It is simulated; its upper hundredth is approximated by an exponential tail,
stored as its lower end and mean excess.

Source: Xie & Siegmund (2013), Annals of Statistics 41:670.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from studio_pipeline.panel.arrays import FloatArray

WINDOWS: tuple[int, ...] = (1, 2, 3, 4, 6, 9, 12)
"""Window lengths, in months, for changes of inputs and errors."""
AFFECTED_SHARE = 0.1
"""Prior share of the studios affected by a change."""
PRIOR_MONTHS = 12.0
LARGEST_UNITS = 3.0


def window_sums(scores: FloatArray) -> FloatArray:
    """(W, ..., T) sums of the last w scores over the root of the known count; NaN if under half are known."""
    known = np.isfinite(scores)
    start = np.zeros((*scores.shape[:-1], 1))
    sums = np.concatenate([start, np.cumsum(np.where(known, scores, 0.0), axis=-1)], axis=-1)
    counts = np.concatenate([start, np.cumsum(known.astype(np.float64), axis=-1)], axis=-1)
    out = np.full((len(WINDOWS), *scores.shape), np.nan)
    for row, width in enumerate(WINDOWS):
        starts = np.maximum(np.arange(scores.shape[-1]) + 1 - width, 0)
        total, count = (cumulated[..., 1:] - cumulated[..., starts] for cumulated in (sums, counts))
        enough = (count >= width / 2) & (count > 0)
        out[row] = np.where(enough, total / np.sqrt(np.maximum(count, 1)), np.nan)
    return out


def past_variance(sums: FloatArray) -> FloatArray:
    """(W, T) mean square of the (W, S, T) window sums over studios and earlier months, 1 or more."""
    known = np.isfinite(sums)
    squares = np.cumsum((np.where(known, sums, 0.0) ** 2).sum(1), axis=1)
    counts = np.cumsum(known.sum(1), axis=1)
    before = np.divide(squares, counts, out=np.ones_like(squares), where=counts > 0)
    shifted = np.concatenate([np.ones((len(sums), 1)), before[:, :-1]], axis=1)
    return np.asarray(np.maximum(shifted, 1.0))


def mixture(sums: FloatArray) -> FloatArray:
    """(2, W, T) mixture log likelihood ratios of a rise and of a fall; 0 where nothing is known."""
    sides = [np.where(np.isfinite(side), np.maximum(side, 0.0), 0.0) for side in (sums, -sums)]
    return np.stack([np.log1p(AFFECTED_SHARE * np.expm1(up**2 / 2)).sum(1) for up in sides])


def tamed(ratios: FloatArray, n_studios: FloatArray) -> FloatArray:
    """(2, W, T) mixture ratios, reduced where those of the panel's past exceed their null distribution.

    The scatter between studios varies by month (price reviews in spring, floods in autumn). The ratios are
    standardised by the mean and standard deviation of the months before (a prior of `PRIOR_MONTHS` months
    from the null distribution, which is also the lower limit), and scaled back to the null distribution.

    Args:
        ratios: (2, W, T) of a rise and of a fall, by window.
        n_studios: (T,) number of studios in each month.
    """
    mean_of_one, variance_of_one = _chance_moments()
    out = np.zeros_like(ratios)
    totals = np.zeros((3, ratios.shape[1]))
    for month, n in enumerate(n_studios):
        if n == 0:
            continue
        mean, scatter = n * mean_of_one, np.sqrt(n * variance_of_one)
        units = (ratios[..., month] - mean) / scatter
        months = PRIOR_MONTHS + totals[0]
        past = totals[1] / months
        size = np.sqrt(np.maximum((PRIOR_MONTHS + totals[2]) / months - past**2, 1.0))
        fair = (units - np.maximum(past, 0.0)) / size
        out[..., month] = np.maximum(mean + scatter * fair, 0.0)
        kept = np.clip(units, None, past + LARGEST_UNITS * size)
        totals += np.stack([np.full(len(past), 1.0), kept.mean(0), (kept**2).mean(0)])
    return out


@cache
def _chance_moments() -> tuple[float, float]:
    """Mean and variance of one studio's term of the mixture ratio without drift."""
    nodes, weights = hermegauss(180)
    values = np.log1p(AFFECTED_SHARE * np.expm1(np.maximum(nodes, 0.0) ** 2 / 2))
    weights = weights / weights.sum()
    mean = float(weights @ values)
    return mean, float(weights @ (values - mean) ** 2)


def affected_chance(sums: FloatArray) -> FloatArray:
    """Probability that a studio with this standardised sum is affected, for an unknown size of the change."""
    odds = AFFECTED_SHARE / (1 - AFFECTED_SHARE) * np.exp(np.maximum(sums, 0.0) ** 2 / 2)
    return np.asarray(odds / (1 + odds))


YEAR = 12
RARE = 0.01
PATH_YEARS = 20_000
SEED = 1

MIXTURE_TAILS = (
    (4, 6.15, 1.09), (8, 7.26, 0.99), (16, 8.63, 1.08), (32, 10.76, 1.13), (64, 14.36, 1.08),
    (128, 20.06, 1.28), (256, 30.61, 1.57), (512, 49.09, 1.42), (1024, 82.72, 1.80), (2048, 146.83, 3.02),
)  # fmt: skip
"""Studios, lower end and mean excess of the upper hundredth; from `benchmarks/drift_null_table.py`."""


def mixture_threshold(n_studios: int, chance: float) -> float:
    """Threshold that the mixture statistic of `n_studios` exceeds within a year with this probability."""
    sizes, ends, excesses = np.array(MIXTURE_TAILS).T
    at = np.log(n_studios)
    end, excess = (float(np.interp(at, np.log(sizes), values)) for values in (ends, excesses))
    return end + excess * float(np.log(RARE / chance))


def path_threshold(n_paths: int, chance: float) -> float:
    """Threshold that the largest statistic of `n_paths` exceeds within a year with this probability."""
    end, excess = _path_tail(n_paths)
    return end + excess * float(np.log(RARE / chance))


def tail_of(maxima: np.ndarray) -> tuple[float, float]:
    """Lower end and mean excess of the upper hundredth."""
    end = float(np.quantile(maxima, 1 - RARE))
    return end, float((maxima[maxima > end] - end).mean())


@cache
def _path_tail(n_paths: int) -> tuple[float, float]:
    generator = np.random.default_rng(SEED)
    maxima = np.zeros(PATH_YEARS)
    for _ in range(n_paths):
        scores = generator.standard_normal((PATH_YEARS, max(WINDOWS) - 1 + YEAR))
        sums = window_sums(scores)[..., -YEAR:]
        maxima = np.maximum(maxima, (sums**2 / 2).max(axis=(0, 2)))
    return tail_of(maxima)
