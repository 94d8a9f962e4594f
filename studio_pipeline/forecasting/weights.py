"""Ensemble weights per target and horizon, for serving and for every fold of the backtest.

The simple baselines and the plain core are among the candidates, so the ensemble can fall back to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from studio_pipeline.forecasting.candidates import CANDIDATES, stacked, with_learners
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.hyperparameters import (
    MAX_HORIZON_MONTHS,
    ForecastingConfiguration,
    WeightHyperparameters,
)
from studio_pipeline.forecasting.learners import LearnerFit
from studio_pipeline.forecasting.sampling import evenly_spaced_origins
from studio_pipeline.forecasting.target_weights import target_weights
from studio_pipeline.forecasting.targets import TARGETS
from studio_pipeline.panel.arrays import BoolArray, FloatArray

_MOST_STUDIOS_A_MONTH = 150


@dataclass(frozen=True)
class EnsembleWeights:
    """Weights for serving, and those that each fold of the backtest may use.

    Attributes:
        frame: target, horizon (1..12), candidate, weight; from all out-of-fold forecasts.
        by_fold: the same with a column `fold`: from forecasts whose months end before that fold's cutoff.
    """

    frame: pd.DataFrame
    by_fold: pd.DataFrame

    def matrix(self, target: str, fold: int | None = None) -> FloatArray:
        """(H, C) weights in the order of `CANDIDATES`; each row sums to 1.

        Args:
            target: what is forecast.
            fold: those of a fold; None for serving.
        """
        frame = self.frame if fold is None else self.by_fold[self.by_fold["fold"] == fold]
        chosen = frame[frame["target"] == target]
        table = chosen.pivot_table(
            index="horizon", columns="candidate", values="weight", aggfunc="first", observed=True
        )
        return np.asarray(table.reindex(columns=list(CANDIDATES)).to_numpy(dtype=np.float64))

    def write(self, folder: Path) -> None:
        """Stores both tables."""
        self.frame.to_parquet(folder / "weights.parquet", index=False)
        self.by_fold.to_parquet(folder / "weights_by_fold.parquet", index=False)

    @classmethod
    def read(cls, folder: Path) -> EnsembleWeights:
        """Inverse of `write`."""
        return cls(
            pd.read_parquet(folder / "weights.parquet"), pd.read_parquet(folder / "weights_by_fold.parquet")
        )


def fit_weights(
    core: CoreFit, fits: Sequence[LearnerFit], configuration: ForecastingConfiguration
) -> EnsembleWeights:
    """Fits the weights for serving, and for each fold those that were known at its cutoff.

    Nothing is known before the first fold. Where others follow it, it isn't scored, and only calibrates their
    intervals: its weights are then those that its own forecasts give by the second fold's cutoff.
    Of a large panel some studios of each month speak for all: they tell a few weights apart as well.
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
    """(C, N, H) out-of-fold forecasts in the order of `CANDIDATES`; a candidate that the target
    lacks is NaN.
    """
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
        weights = target_weights(stack, actual, core.out_of_fold.origins.columns[used], hyperparameters)
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
