"""Verdicts of the search: whether tuned values replace the defaults of a learner.

Both are evaluated on the same forecasts, so their difference is paired. Errors of one month are correlated,
and so are those of neighbouring months: the sums by month are treated as clusters, with autocorrelation
(Newey & West 1987), and Student's t accounts for the small number of months. One set of values per learner is
tested, however many were tried; the level is divided between the learners (Bonferroni). The search that
proposes the values is in `search`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from studio_pipeline.evaluation.formatting import per_cent
from studio_pipeline.evaluation.metrics.prediction_table import LABELS
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS
from studio_pipeline.panel.arrays import FloatArray, IntArray

LEVEL = 0.05
_NEIGHBOURS = 2
_FEWEST_MONTHS = 6


@dataclass(frozen=True)
class Gain:
    """Reduction of the error by tuned values, relative to the defaults."""

    share: float  # saved share of the error, -inf..1; NaN if nothing is known
    standard_error: float  # of `share`; NaN if too few months are known
    low: float  # lower end of a one-sided interval at level `LEVEL` over the number of learners
    high: float  # upper end of the corresponding interval on the other side
    n_months: int


def paired_gain(default: FloatArray, tuned: FloatArray, months: IntArray) -> Gain:
    """The gain from weighted absolute errors of the same forecasts, NaN where unknown, and their months."""
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
    """Check whether a gain is at least `least_gain` and significantly above zero."""
    return bool(gain.share >= least_gain and gain.low > 0)


def _critical(n_months: int) -> float:
    """Critical value of Student's t; autocorrelated months count as fewer degrees of freedom."""
    freedom = max(n_months / (1 + _NEIGHBOURS) - 1, 1.0)
    return float(stats.t.ppf(1 - LEVEL / len(LEARNERS), freedom))


def _long_run_deviation(parts: FloatArray) -> float:
    """Standard deviation of the sum of (M,) mean-zero parts in the order of the months (Newey-West)."""
    variance = independent = float(parts @ parts)
    for lag in range(1, _NEIGHBOURS + 1):
        weight = 1 - lag / (_NEIGHBOURS + 1)
        variance += 2 * weight * float(parts[lag:] @ parts[:-lag])
    # Negative autocorrelation must not reduce the variance below that of independent months.
    return float(np.sqrt(max(variance, independent) * len(parts) / (len(parts) - 1)))


@dataclass(frozen=True)
class Search:
    """Statistics of a search."""

    trials: int
    given_up: int  # number of trials that were pruned after a fold
    seconds: float  # of all trials of the study, over all runs
    stop_reason: str  # the limit that ended it, as a clause
    gain: float  # share of the defaults' error saved by the best values on the search folds; optimistic


@dataclass(frozen=True)
class LearnerVerdict:
    """The verdict on one learner."""

    learner: str
    values: Mapping[str, float]  # hyperparameters that replace the defaults; empty if these stay
    proposed: Mapping[str, float]  # the best values of the search; empty if none beat the defaults there
    gain: Gain | None  # share of the defaults' error that the proposed values save in months not searched
    search: Search
    reason: str


def judge(
    learner: str, proposed: Mapping[str, float], gain: Gain | None, search: Search, least_gain: float
) -> LearnerVerdict:
    """Decide on the proposed values of a learner, empty if these are its defaults.

    `gain` is that over the defaults in months not searched; None if none are proposed.
    """
    name = LABELS[learner]
    if gain is None or not proposed:
        reason = f"{name} keeps its defaults: none of {search.trials} trials beat them where it was searched."
        return LearnerVerdict(learner, {}, {}, None, search, reason)
    evidence = (
        f"the best of {search.trials} trials saves {per_cent(gain.share, 2)} of its error in"
        f" {gain.n_months} months that the search did not see ({per_cent(gain.low, 2)} to"
        f" {per_cent(gain.high, 2)})"
    )
    if is_beyond_noise(gain, least_gain):
        return LearnerVerdict(learner, proposed, proposed, gain, search, f"{name} is tuned: {evidence}.")
    short = "less than it must" if gain.low > 0 else "no more than noise explains"
    reason = f"{name} keeps its defaults: {evidence}, {short}."
    return LearnerVerdict(learner, {}, proposed, gain, search, reason)


def unsearched(learner: str, reason: str) -> LearnerVerdict:
    """The verdict on a learner that could not be searched: its defaults stay."""
    search = Search(0, 0, 0.0, reason, 0.0)
    return LearnerVerdict(learner, {}, {}, None, search, f"{LABELS[learner]} keeps its defaults: {reason}.")


VERDICT_COLUMNS = {
    "learner": "Its name.",
    "verdict": "tuned, or default.",
    "gain": "Share of the defaults' error that the proposed values save in months not searched.",
    "gain_low": "Lower end of the gain's interval: above zero is beyond noise.",
    "gain_high": "Upper end.",
    "gain_where_searched": "The same share in the months of the search; optimistic.",
    "trials": "Trials that ended.",
    "given_up": "Of these, given up after an earlier fold.",
    "seconds": "Of all trials of the study.",
    "stopped": "Why the search ended.",
    "proposed": "The best values of the search as JSON; what is used where the verdict is tuned.",
}


def verdict_table(verdicts: Sequence[LearnerVerdict]) -> pd.DataFrame:
    """Table of verdicts: columns `VERDICT_COLUMNS`, one row per learner."""
    rows = [
        (
            v.learner,
            "tuned" if v.values else "default",
            *((v.gain.share, v.gain.low, v.gain.high) if v.gain else (float("nan"),) * 3),
            v.search.gain,
            v.search.trials,
            v.search.given_up,
            round(v.search.seconds, 1),
            v.search.stop_reason,
            values_json(v.proposed),
        )
        for v in verdicts
    ]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def values_json(values: Mapping[str, float]) -> str:
    """Hyperparameters as JSON, rounded to four digits."""
    return json.dumps({n: x if isinstance(x, int) else float(f"{x:.4g}") for n, x in values.items()})
