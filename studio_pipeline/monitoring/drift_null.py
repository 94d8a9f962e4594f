"""How large a statistic becomes within a year in which nothing drifts, and so what is too large.

Scores are N(0, 1) and independent then, so the yearly maximum depends on the number of studios or paths
alone. It is simulated: its upper hundredth is exponential to a good approximation, as of any maximum of log
likelihood ratios, and is kept as its lower end and its mean excess.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from studio_pipeline.monitoring.drift_statistics import WINDOWS, mixture, window_sums

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
