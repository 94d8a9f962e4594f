"""Backtest of the stock-and-flow core: a fit at every fold's cutoff and one on all months.

The result holds the out-of-fold forecasts of all candidates that need no learner. Learners are backtested on
the same folds in `learner_backtest`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio_pipeline.forecasting.backtest.baselines import candidates_from
from studio_pipeline.forecasting.backtest.out_of_fold import (
    Fold,
    OutOfFold,
    joined,
    known_lever_forecasts,
    plan_folds,
    young_forecasts,
)
from studio_pipeline.forecasting.base.flows import TARGET_COLUMNS, TARGETS, actual_months
from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.base.origins import evenly_spaced_studios, origins_between
from studio_pipeline.forecasting.core.fitting import fit_core_parameters
from studio_pipeline.forecasting.core.parameters import CoreParameters
from studio_pipeline.forecasting.core.simulation import simulate_terms
from studio_pipeline.forecasting.core.states import CoreStates, core_states, origin_terms, project_flows
from studio_pipeline.panel.arrays import IntArray, StudioPanel


@dataclass(frozen=True)
class CoreFit:
    """Core parameters of every fold and of all months, with the out-of-fold forecasts."""

    folds: tuple[Fold, ...]  # of the backtest, earliest first
    fold_parameters: tuple[CoreParameters, ...]  # of the core, fitted at each fold's cutoff
    parameters: CoreParameters  # of the core, fitted on all months
    out_of_fold: OutOfFold  # forecasts of the core and of the baselines

    def write(self, folder: Path) -> None:
        """Writes `core.json` (parameters) and `out_of_fold.npz` (forecasts) into an existing folder."""
        stored = {
            "folds": [[f.cutoff, f.last_origin] for f in self.folds],
            "fold_parameters": [p.to_json() for p in self.fold_parameters],
            "parameters": self.parameters.to_json(),
        }
        (folder / "core.json").write_text(json.dumps(stored), encoding="utf-8")
        np.savez(folder / "out_of_fold.npz", allow_pickle=False, **self.out_of_fold.arrays())

    @classmethod
    def read(cls, folder: Path) -> CoreFit:
        """Inverse of `write`."""
        stored = json.loads((folder / "core.json").read_text(encoding="utf-8"))
        with np.load(folder / "out_of_fold.npz", allow_pickle=False) as arrays:
            oof = OutOfFold.from_arrays(dict(arrays))
        return cls(
            tuple(Fold(*f) for f in stored["folds"]),
            tuple(CoreParameters.from_json(p) for p in stored["fold_parameters"]),
            CoreParameters.from_json(stored["parameters"]),
            oof,
        )


def fit_core(panel: StudioPanel, configuration: ForecastingConfig) -> CoreFit:
    """Fits the core at every fold's cutoff, then on all months, and forecasts each fold's origins.

    Every fit is passed the parameters of the fold before.
    """
    folds = plan_folds(panel.n_months, configuration.backtest)
    studios = backtest_studios(panel, configuration)
    fitted: list[CoreParameters] = []
    parts = []
    for number, fold in enumerate(folds):
        previous = fitted[-1] if fitted else None
        fitted.append(fit_core_parameters(panel.until(fold.cutoff), configuration.core, previous))
        parts.append(_forecast_fold(panel, fold, number, fitted[-1], studios, configuration.seed))
    parameters = fit_core_parameters(panel, configuration.core, fitted[-1] if fitted else None)
    return CoreFit(folds, tuple(fitted), parameters, joined(parts))


def backtest_studios(panel: StudioPanel, configuration: ForecastingConfig) -> IntArray:
    """Rows of the studios in the backtest: all, or an evenly spaced sample of a very large panel."""
    return evenly_spaced_studios(panel, configuration.backtest.max_studios)


def fold_states(panel: StudioPanel, fold: Fold, parameters: CoreParameters) -> CoreStates:
    """Core states up to the fold's last origin, filtered with the parameters of its cutoff."""
    return core_states(panel.until(fold.last_origin), parameters)


def _forecast_fold(
    panel: StudioPanel, fold: Fold, number: int, parameters: CoreParameters, studios: IntArray, seed: int
) -> OutOfFold:
    origins = origins_between(panel, fold.cutoff, fold.last_origin, studios)
    states = fold_states(panel, fold, parameters)
    flows = project_flows(states, origins)
    paths = simulate_terms(origin_terms(states, flows, origins), {})
    return OutOfFold(
        np.full(len(origins), number),
        origins,
        {t: actual_months(panel, t, origins) for t in TARGETS},
        {t: panel.values[TARGET_COLUMNS[t]][origins.rows, origins.columns] for t in TARGETS},
        candidates_from(states, origins, flows, paths),
        known_lever_forecasts(panel, states, origins, seed + number),
        young_forecasts(panel, parameters, fold, origins),
    )
