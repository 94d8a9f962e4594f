"""Log-likelihood-ratio statistics of a change, and their distribution without drift.

A change that began `w` months ago shows in the sum of the last `w` scores. For one path the statistic is
half the largest squared standardised sum over the windows; for many studios, of which an unknown few are
hit, it is the mixture likelihood ratio of Xie and Siegmund (2013, Annals of Statistics 41:670), one
direction at a time.

Scores are N(0, 1) and independent then, so the yearly maximum depends on the number of studios or paths
alone. It is simulated: its upper hundredth is exponential to a good approximation, as of any maximum of log
likelihood ratios, and is kept as its lower end and its mean excess.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from studio_pipeline.panel.arrays import FloatArray

WINDOWS: tuple[int, ...] = (1, 2, 3, 4, 6, 9, 12)
"""Months that a change of inputs or errors is looked for in."""
SLOW_WINDOWS: tuple[int, ...] = (3, 6, 12, 18, 24, 36, 48)
"""The same for responses, of which a month tells little."""
AFFECTED_SHARE = 0.1
"""Share of the studios that a change is supposed to have hit."""
PRIOR_MONTHS = 12.0
LARGEST_UNITS = 3.0


def window_sums(scores: FloatArray, windows: Sequence[int]) -> FloatArray:
    """(W, ..., T) sums of the last w scores over the root of how many are known; NaN if under half are."""
    known = np.isfinite(scores)
    sums = _cumulated(np.where(known, scores, 0.0))
    counts = _cumulated(known.astype(np.float64))
    out = np.full((len(windows), *scores.shape), np.nan)
    for row, width in enumerate(windows):
        total, count = _within(sums, width), _within(counts, width)
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
    return np.stack([_mixture_up(sums), _mixture_up(-sums)])


def _mixture_up(sums: FloatArray) -> FloatArray:
    up = np.where(np.isfinite(sums), np.maximum(sums, 0.0), 0.0)
    return np.asarray(np.log1p(AFFECTED_SHARE * np.expm1(up**2 / 2)).sum(1))


def tamed(ratios: FloatArray, n_studios: FloatArray) -> FloatArray:
    """(2, W, T) mixture ratios, drawn in where the panel's own past shows more of them than chance alone
    would.

    Real months differ in how much studios scatter: prices are reviewed in spring, floods come in autumn. The
    ratios are standardised by the mean and the scatter of the months before (never by less than chance's own,
    which count as `PRIOR_MONTHS` months), and put back on the scale of chance.

    Args:
        ratios: (2, W, T) of a rise and of a fall, by window.
        n_studios: (T,) studios behind them.
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
    """Mean and variance of one studio's share in the mixture ratio where nothing drifts."""
    nodes, weights = hermegauss(180)
    values = np.log1p(AFFECTED_SHARE * np.expm1(np.maximum(nodes, 0.0) ** 2 / 2))
    weights = weights / weights.sum()
    mean = float(weights @ values)
    return mean, float(weights @ (values - mean) ** 2)


def affected_chance(sums: FloatArray) -> FloatArray:
    """Chance that a studio with this standardised sum is one of the affected, before size is known."""
    odds = AFFECTED_SHARE / (1 - AFFECTED_SHARE) * np.exp(np.maximum(sums, 0.0) ** 2 / 2)
    return np.asarray(odds / (1 + odds))


def _cumulated(values: FloatArray) -> FloatArray:
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)


def _within(cumulated: FloatArray, width: int) -> FloatArray:
    n_months = cumulated.shape[-1] - 1
    starts = np.maximum(np.arange(n_months) + 1 - width, 0)
    return np.asarray(cumulated[..., 1:] - cumulated[..., starts])


YEAR = 12
RARE = 0.01
PATH_YEARS = 20_000
SEED = 1

MIXTURE_TAILS: tuple[tuple[int, float, float], ...] = (
    (4, 6.15, 1.09),
    (8, 7.26, 0.99),
    (16, 8.63, 1.08),
    (32, 10.76, 1.13),
    (64, 14.36, 1.08),
    (128, 20.06, 1.28),
    (256, 30.61, 1.57),
    (512, 49.09, 1.42),
    (1024, 82.72, 1.80),
    (2048, 146.83, 3.02),
)
"""Studios, lower end and mean excess of the upper hundredth; `benchmarks/drift_null_table.py` writes them."""


def mixture_threshold(n_studios: int, chance: float) -> float:
    """What the mixture statistic of so many studios exceeds in a year with this chance."""
    sizes, ends, excesses = np.array(MIXTURE_TAILS).T
    at = np.log(n_studios)
    end, excess = (float(np.interp(at, np.log(sizes), values)) for values in (ends, excesses))
    return _threshold(end, excess, chance)


def path_threshold(n_paths: int, windows: Sequence[int], chance: float) -> float:
    """What the largest statistic over so many paths exceeds in a year with this chance."""
    return _threshold(*_path_tail(n_paths, tuple(windows)), chance)


def mixture_maxima(n_studios: int, n_years: int, generator: np.random.Generator) -> np.ndarray:
    """(N,) yearly maxima of the mixture statistic of studios that don't drift."""
    maxima = np.empty(n_years)
    for year in range(n_years):
        scores = generator.standard_normal((n_studios, max(WINDOWS) - 1 + YEAR))
        maxima[year] = mixture(window_sums(scores, WINDOWS)[..., -YEAR:]).max()
    return maxima


def tail_of(maxima: np.ndarray) -> tuple[float, float]:
    """Lower end and mean excess of the upper hundredth."""
    end = float(np.quantile(maxima, 1 - RARE))
    return end, float((maxima[maxima > end] - end).mean())


@cache
def _path_tail(n_paths: int, windows: tuple[int, ...]) -> tuple[float, float]:
    generator = np.random.default_rng(SEED)
    maxima = np.zeros(PATH_YEARS)
    for _ in range(n_paths):
        scores = generator.standard_normal((PATH_YEARS, max(windows) - 1 + YEAR))
        sums = window_sums(scores, windows)[..., -YEAR:]
        maxima = np.maximum(maxima, (sums**2 / 2).max(axis=(0, 2)))
    return tail_of(maxima)


def _threshold(end: float, excess: float, chance: float) -> float:
    return end + excess * float(np.log(RARE / chance))
