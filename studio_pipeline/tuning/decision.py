"""Whether tuned values beat the defaults beyond noise, in months that the search did not see.

Both are judged on the same forecasts, so their difference is paired. Forecasts of one month err together,
and neighbouring months are alike: sums of the months are clustered, with the correlation between neighbours
counted (Newey & West 1987), and few months are held against the gain by Student's t. One set of values a
learner is put to the test, however many were tried; the level is shared between the learners (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from studio_pipeline.panel.arrays import FloatArray, IntArray

LEVEL = 0.05
N_LEARNERS = 3
_NEIGHBOURS = 2
_FEWEST_MONTHS = 6


@dataclass(frozen=True)
class Gain:
    """What tuned values save of the defaults' error.

    Attributes:
        share: of the error, -inf..1; NaN where nothing is known.
        standard_error: of it; NaN where too few months are known.
        low: lower end of a one-sided interval at level `LEVEL / N_LEARNERS`.
        high: upper end of the same to the other side.
        n_months: forecast months that it rests on.
    """

    share: float
    standard_error: float
    low: float
    high: float
    n_months: int


def paired_gain(default: FloatArray, tuned: FloatArray, months: IntArray) -> Gain:
    """The gain of tuned values over defaults.

    Args:
        default: weighted absolute errors of any shape, NaN where not known.
        tuned: of the same forecasts.
        months: the months that are forecast.
    """
    known = np.isfinite(default) & np.isfinite(tuned)
    month, code = np.unique(months[known], return_inverse=True)
    base = np.bincount(code, default[known], len(month))
    saved = np.bincount(code, (default - tuned)[known], len(month))
    if not base.sum() > 0:
        return Gain(float("nan"), float("nan"), float("nan"), float("nan"), len(month))
    share = saved.sum() / base.sum()
    if len(month) < _FEWEST_MONTHS:
        return Gain(float(share), float("nan"), float("-inf"), float("inf"), len(month))
    error = _long_run_deviation(saved - share * base) / base.sum()
    reach = error * _critical(len(month))
    return Gain(float(share), float(error), float(share - reach), float(share + reach), len(month))


def is_beyond_noise(gain: Gain, least_gain: float) -> bool:
    """Whether tuned values are used: they save enough, and more than noise explains."""
    return bool(gain.share >= least_gain and gain.low > 0)


def _critical(n_months: int) -> float:
    """Student's t; months that are correlated with their neighbours count for fewer."""
    freedom = max(n_months / (1 + _NEIGHBOURS) - 1, 1.0)
    return float(stats.t.ppf(1 - LEVEL / N_LEARNERS, freedom))


def _long_run_deviation(parts: FloatArray) -> float:
    """Standard deviation of the sum of (M,) parts in the order of the months, each mean zero."""
    variance = float(parts @ parts)
    for lag in range(1, _NEIGHBOURS + 1):
        weight = 1 - lag / (_NEIGHBOURS + 1)
        variance += 2 * weight * float(parts[lag:] @ parts[:-lag])
    # Negative correlation between neighbours is not trusted to make the noise smaller.
    independent = float(parts @ parts)
    return float(np.sqrt(max(variance, independent) * len(parts) / (len(parts) - 1)))
