"""Ensemble weights per target and horizon by non-negative least squares on out-of-fold forecasts.

- Errors are divided by the square root of the studio's size, half way between equal weight for every studio
  and WAPE, and reweighted iteratively towards absolute errors.
- Recent origins weigh more than old ones, and neighbouring horizons share their rows through a kernel.
- Weights are shrunk towards a prior on the core and the simple baselines, which are among the candidates, so
  that the ensemble can fall back to them.
- Learners cost time at every request: if they lower the error by less than `least_learner_gain`, the weights
  are fitted without them.
Source: Lawson & Hanson (1974) for NNLS; iteratively reweighted least squares for the absolute error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.hyperparameters import (
    LEARNERS,
    MAX_HORIZON_MONTHS,
    ForecastingConfig,
    WeightHyperparameters,
)
from studio_pipeline.forecasting.base.origins import evenly_spaced_origins
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES, combine, stacked, with_learners
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

_PRIOR = {"core": 0.2, "direct": 0.1, "smoothing": 0.2, "persistence": 0.25, "seasonal_naive": 0.25}
_PRIOR_WITH_MEMBERS = {
    "core": 0.95,
    "direct": 0.01,
    "smoothing": 0.02,
    "persistence": 0.01,
    "seasonal_naive": 0.01,
}
"""Where retention and new members are known, the core knows more of the coming months than the others."""
_SUM_TO_ONE = 1e3
_MOST_REWEIGHTINGS = 25
_SETTLED = 0.004
_NO_WEIGHT = 0.005
_LEAST_KERNEL = 0.1
_DIGITS = 6


def target_weights(
    stack: FloatArray,
    actual: FloatArray,
    columns: IntArray,
    hyperparameters: WeightHyperparameters,
    has_members: bool = False,
) -> FloatArray:
    """(H, C) weights, each row non-negative and summing to 1, from (C, N, H) forecasts and (N, H) actual
    values; a candidate that is NaN throughout gets none.
    """
    recency = 0.5 ** ((columns.max(initial=0) - columns) / hyperparameters.half_life_months)
    shares = _PRIOR
    if has_members:
        # Studios of one month share its market: against a model of members, months count, not studio months.
        shares = _PRIOR_WITH_MEMBERS
        recency = recency * len(np.unique(columns)) / max(len(columns), 1)
    size = error_sizes(stack)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative, outcome = stack / size, actual / size
    weights = _all_horizons(relative, outcome, recency, shares, hyperparameters)
    is_learner = np.isin(CANDIDATES, LEARNERS)
    if not weights[:, is_learner].any():
        return weights
    plain = _all_horizons(
        np.where(is_learner[:, None, None], np.nan, relative), outcome, recency, shares, hyperparameters
    )
    missed = [np.abs(combine(relative, w) - outcome) for w in (weights, plain)]
    errors = [float(np.nansum(recency[:, None] * size)) for size in missed]
    return weights if errors[0] < (1 - hyperparameters.least_learner_gain) * errors[1] else plain


def _all_horizons(
    relative: FloatArray,
    outcome: FloatArray,
    recency: FloatArray,
    shares: Mapping[str, float],
    hyperparameters: WeightHyperparameters,
) -> FloatArray:
    """(H, C) weights from (C, N, H) forecasts and (N, H) outcomes, both divided by `error_sizes`."""
    n_horizons = outcome.shape[1]
    usable = np.isfinite(relative).any((1, 2)) if relative.shape[1] else np.isin(CANDIDATES, list(shares))
    prior = np.array([shares.get(name, 0.0) for name in CANDIDATES]) * usable
    if not prior.any():
        # No candidate forecasts this target: the weights stay valid, and every forecast is NaN.
        prior[CANDIDATES.index("core")] = 1.0
    prior = prior / prior.sum()
    weights = np.tile(prior, (n_horizons, 1))
    known = np.isfinite(outcome) & np.isfinite(relative[usable]).all(0)
    all_rows = np.concatenate([relative[usable], outcome[None]])
    start = prior[usable]
    for h in range(n_horizons):
        kernel = np.exp(-0.5 * ((np.arange(n_horizons) - h) / hyperparameters.horizon_bandwidth) ** 2)
        near = kernel >= _LEAST_KERNEL
        used = known[:, near]
        if used.any():
            share = (kernel[near] * recency[:, None])[used]
            rows = all_rows[:, :, near][:, used]
            weights[h, usable] = _solve(rows, share, prior[usable], hyperparameters.prior_months, start)
            start = weights[h, usable]
    weights[weights < _NO_WEIGHT] = 0.0
    return np.asarray(weights / weights.sum(1, keepdims=True))


def error_sizes(stack: FloatArray) -> FloatArray:
    """(N,) divisors of errors: geometric mean of the origin's size and the mean size of all origins.

    An origin's size is the mean of its seasonal naive forecasts, which repeat its last twelve known months.
    """
    own = stack[CANDIDATES.index("seasonal_naive")].mean(1)
    known = np.isfinite(own) & (own > 0)
    typical = own[known].mean() if known.any() else np.nan
    return np.asarray(np.sqrt(np.where(known, own, np.nan) * typical))


def _solve(
    rows: FloatArray, share: FloatArray, prior: FloatArray, prior_months: float, start: FloatArray
) -> FloatArray:
    """(C,) weights from (C + 1, R) rows: C forecasts and, last, the outcome, divided by the error size."""
    weights, forecasts = start, rows[:-1]
    # The candidates' variance around their mean is what identifies the weights: the prior is scaled by it.
    spread = forecasts.var(0)
    for _ in range(_MOST_REWEIGHTINGS):
        before = weights
        errors = np.abs(rows[-1] - weights @ forecasts)
        row = share / np.maximum(errors, 0.2 * max(float(np.median(errors)), 1e-9))
        pull = prior_months / max(share.sum(), 1e-9) * float(row @ spread)
        weights = _least_squares((forecasts * row) @ rows.T, prior, pull)
        if np.abs(weights - before).max() < _SETTLED:
            break
    return weights


def _least_squares(moments: FloatArray, prior: FloatArray, pull: float) -> FloatArray:
    """(C,) non-negative weights that sum to 1, from (C, C + 1) moments and a ridge towards the prior."""
    gram, moment = moments[:, :-1], moments[:, -1]
    constraint = _SUM_TO_ONE * np.trace(gram) / len(gram)
    ridge = pull + 1e-10 * np.trace(gram)
    root = np.linalg.cholesky(gram + constraint + ridge * np.eye(len(gram)))
    weights, _ = nnls(root.T, np.linalg.solve(root, moment + constraint + pull * prior))
    # The last digits depend on the conditioning, and so on the currency's unit: rounding removes them.
    return np.asarray(weights / max(weights.sum(), 1e-12)).round(_DIGITS)


_MOST_STUDIOS_A_MONTH = 150


@dataclass(frozen=True)
class EnsembleWeights:
    """Weights for serving, and the weights of each fold of the backtest."""

    frame: pd.DataFrame  # target, horizon (1..12), candidate, weight; from all out-of-fold forecasts
    by_fold: pd.DataFrame  # the same with a column `fold`, from what was known at that fold's cutoff

    def matrix(self, target: str, fold: int | None = None) -> FloatArray:
        """(H, C) weights in the order of `CANDIDATES`; each row sums to 1."""
        frame = self.frame if fold is None else self.by_fold[self.by_fold["fold"] == fold]
        chosen = frame[frame["target"] == target]
        table = chosen.pivot_table(
            index="horizon", columns="candidate", values="weight", aggfunc="first", observed=True
        )
        return np.asarray(table.reindex(columns=list(CANDIDATES)).to_numpy(dtype=np.float64))

    def write(self, folder: Path) -> None:
        """Writes both tables as Parquet into an existing folder."""
        self.frame.to_parquet(folder / "weights.parquet", index=False)
        self.by_fold.to_parquet(folder / "weights_by_fold.parquet", index=False)

    @classmethod
    def read(cls, folder: Path) -> EnsembleWeights:
        """Inverse of `write`."""
        return cls(
            pd.read_parquet(folder / "weights.parquet"), pd.read_parquet(folder / "weights_by_fold.parquet")
        )


def fit_weights(
    core: CoreFit, fits: Sequence[LearnerFit], configuration: ForecastingConfig
) -> EnsembleWeights:
    """Fits the weights for serving, and for each fold those that were known at its cutoff.

    There are no forecasts before the first fold. If other folds follow, the first one isn't scored and only
    calibrates their intervals: its weights are then fitted on its own forecasts, with the months known at the
    second fold's cutoff. In a large panel a sample of studios of each month is enough for these few weights.
    """
    oof = core.out_of_fold
    sizes = (oof.last_known["revenue"], oof.candidates["revenue"]["core"][:, 0])
    used = evenly_spaced_origins(oof.origins.columns, sizes, _MOST_STUDIOS_A_MONTH)
    frame = _weights_frame(core, fits, used, None, configuration.weights)
    folds = []
    for number in range(len(core.folds)):
        last = max(number, 1) if len(core.folds) > 1 else number
        before = used & (oof.fold < last)
        known = _weights_frame(core, fits, before, core.folds[last].cutoff, configuration.weights)
        folds.append(known.assign(fold=number))
    return EnsembleWeights(
        frame, pd.concat(folds, ignore_index=True) if folds else frame.assign(fold=0).iloc[:0]
    )


def candidate_stack(core: CoreFit, fits: Sequence[LearnerFit], target: str) -> FloatArray:
    """(C, N, H) out-of-fold forecasts in the order of `CANDIDATES`; NaN for candidates a target lacks."""
    corrections: dict[str, FloatArray] = {fit.learner: fit.out_of_fold[target] for fit in fits}
    found = with_learners(core.out_of_fold.candidates[target], corrections, target)
    return stacked(found)


def _weights_frame(
    core: CoreFit,
    fits: Sequence[LearnerFit],
    used: BoolArray,
    cutoff: int | None,
    hyperparameters: WeightHyperparameters,
) -> pd.DataFrame:
    tables = []
    for target in TARGETS:
        stack = candidate_stack(core, fits, target)[:, used]
        actual = core.out_of_fold.actual[target][used].copy()
        if cutoff is not None:
            months = core.out_of_fold.origins.columns[used][:, None] + np.arange(1, MAX_HORIZON_MONTHS + 1)
            actual[months > cutoff] = np.nan
        columns = core.out_of_fold.origins.columns[used]
        weights = target_weights(stack, actual, columns, hyperparameters, core.parameters.has_members)
        horizon, candidate = np.indices(weights.shape)
        tables.append(
            pd.DataFrame(
                {
                    "target": target,
                    "horizon": horizon.ravel() + 1,
                    "candidate": np.array(CANDIDATES, dtype=object)[candidate.ravel()],
                    "weight": weights.ravel(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
