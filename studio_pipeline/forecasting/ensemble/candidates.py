"""Candidates of the ensemble: their fixed order, stacking into one array and the weighted mean.

Weights are fitted in `weights`; the candidates' forecasts come from `backtest.baselines` and the learners.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.base.flows import corrected
from studio_pipeline.panel.arrays import FloatArray

CANDIDATES: tuple[str, ...] = (
    "core",
    "direct",
    "smoothing",
    "xgboost",
    "lightgbm",
    "random_forest",
    "persistence",
    "seasonal_naive",
    "seasonal_naive_growth",
)


def with_learners(
    core_candidates: Mapping[str, FloatArray], corrections: Mapping[str, FloatArray], target: str
) -> dict[str, FloatArray]:
    """Candidate to (N, H) forecasts of one target, learners included. `core_candidates`: forecasts of the
    candidates that need no learner, `core` among them.
    """
    return dict(core_candidates) | {
        name: corrected(core_candidates["core"], c, target) for name, c in corrections.items()
    }


def stacked(found: Mapping[str, FloatArray]) -> FloatArray:
    """(C, N, H) forecasts in the order of `CANDIDATES`; a candidate that the target lacks is NaN."""
    missing = np.full_like(found["core"], np.nan)
    return np.stack([found.get(name, missing) for name in CANDIDATES])


def shares_of(stack: FloatArray, weights: FloatArray) -> FloatArray:
    """(C, N, H) share of each candidate in the ensemble; the weight of a missing forecast goes to the others.

    `stack`: (C, N, H) forecasts, NaN where a candidate has none; `weights`: (H, C), each row summing to 1.

    Shares sum to 1. They are equal for the known candidates where all weighted ones are missing, and zeros
    where no candidate is known.
    """
    known = np.isfinite(stack)
    share = weights.T[:, None, :] * known
    total = share.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(np.where(total > 0, share / total, known / known.sum(0))))


def combine(stack: FloatArray, weights: FloatArray) -> FloatArray:
    """(N, H) weighted mean of the candidates; the weight of a missing forecast goes to the others.

    Arguments as of `shares_of`. It is the plain mean of the known candidates where all weighted ones are
    missing, and NaN where no candidate is known.
    """
    known = np.isfinite(stack)
    share = weights.T[:, None, :] * known
    total = share.sum(0)
    weighted = (share * np.where(known, stack, 0.0)).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        fallback = np.where(known, stack, 0.0).sum(0) / known.sum(0)
        return np.asarray(np.where(total > 0, weighted / total, fallback))
