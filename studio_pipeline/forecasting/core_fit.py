"""The core at every fold of the backtest and on all months, with its out-of-fold forecasts beside the simple
baselines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio_pipeline.forecasting.core import CoreStates, core_states
from studio_pipeline.forecasting.core_candidates import CORE_CANDIDATES, DIRECT_FLOWS, core_candidates
from studio_pipeline.forecasting.core_fitting import fit_core_parameters
from studio_pipeline.forecasting.core_parameters import CoreParameters
from studio_pipeline.forecasting.folds import Fold, Origins, origins_between, plan_folds
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS, ForecastingConfiguration
from studio_pipeline.forecasting.sampling import evenly_spaced_studios
from studio_pipeline.forecasting.targets import TARGET_COLUMNS, TARGETS, actual_months
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel

_LEVELS = ("direct", "smoothing")


@dataclass(frozen=True)
class OutOfFold:
    """Forecasts of fits that had not seen the months they forecast; N origins, H = 12 months.

    Attributes:
        fold: (N,) number of the fold that forecast the origin.
        origins: the origins.
        actual: target to (N, H); NaN where not known.
        last_known: target to (N,), the base month itself.
        candidates: target to candidate to (N, H).
    """

    fold: IntArray
    origins: Origins
    actual: dict[str, FloatArray]
    last_known: dict[str, FloatArray]
    candidates: dict[str, dict[str, FloatArray]]


@dataclass(frozen=True)
class CoreFit:
    """The core, fitted on all months and at every fold.

    Attributes:
        folds: of the backtest, earliest first.
        fold_parameters: the core as fitted at each fold's cutoff.
        parameters: the core fitted on all months.
        out_of_fold: its forecasts and those of the baselines.
    """

    folds: tuple[Fold, ...]
    fold_parameters: tuple[CoreParameters, ...]
    parameters: CoreParameters
    out_of_fold: OutOfFold

    def write(self, folder: Path) -> None:
        """Stores parameters as JSON and forecasts as plain arrays."""
        stored = {
            "folds": [[f.cutoff, f.last_origin] for f in self.folds],
            "fold_parameters": [p.to_json() for p in self.fold_parameters],
            "parameters": self.parameters.to_json(),
        }
        (folder / "core.json").write_text(json.dumps(stored), encoding="utf-8")
        oof = self.out_of_fold
        arrays: dict[str, FloatArray | IntArray] = {
            "fold": oof.fold,
            "rows": oof.origins.rows,
            "columns": oof.origins.columns,
        }
        for target in TARGETS:
            arrays |= {f"actual.{target}": oof.actual[target], f"last_known.{target}": oof.last_known[target]}
            arrays |= {f"candidate.{target}.{name}": x for name, x in oof.candidates[target].items()}
        np.savez(folder / "out_of_fold.npz", allow_pickle=False, **arrays)

    @classmethod
    def read(cls, folder: Path) -> CoreFit:
        """Inverse of `write`."""
        stored = json.loads((folder / "core.json").read_text(encoding="utf-8"))
        with np.load(folder / "out_of_fold.npz", allow_pickle=False) as arrays:
            oof = OutOfFold(
                arrays["fold"],
                Origins(arrays["rows"], arrays["columns"]),
                {t: arrays[f"actual.{t}"] for t in TARGETS},
                {t: arrays[f"last_known.{t}"] for t in TARGETS},
                {
                    t: {
                        n: arrays[f"candidate.{t}.{n}"]
                        for n in CORE_CANDIDATES
                        if f"candidate.{t}.{n}" in arrays.files
                    }
                    for t in TARGETS
                },
            )
        return cls(
            tuple(Fold(*f) for f in stored["folds"]),
            tuple(CoreParameters.from_json(p) for p in stored["fold_parameters"]),
            CoreParameters.from_json(stored["parameters"]),
            oof,
        )


def fit_core(panel: StudioPanel, configuration: ForecastingConfiguration) -> CoreFit:
    """Fits the core at every fold's cutoff, then on all months, and forecasts each fold's origins."""
    folds = plan_folds(panel.n_months, configuration.backtest)
    studios = backtest_studios(panel, configuration)
    fitted: list[CoreParameters] = []
    parts = []
    for number, fold in enumerate(folds):
        previous = fitted[-1] if fitted else None
        fitted.append(fit_core_parameters(panel.until(fold.cutoff), configuration.core, previous))
        parts.append(_forecast_fold(panel, fold, number, fitted[-1], studios))
    parameters = fit_core_parameters(panel, configuration.core, fitted[-1] if fitted else None)
    return CoreFit(folds, tuple(fitted), parameters, _joined(parts))


def backtest_studios(panel: StudioPanel, configuration: ForecastingConfiguration) -> IntArray:
    """Rows of the studios that take part in the backtest: all, or a sample of a very large panel."""
    return evenly_spaced_studios(panel, configuration.backtest.max_studios)


def fold_states(panel: StudioPanel, fold: Fold, parameters: CoreParameters) -> CoreStates:
    """States of the months up to the fold's last origin, under the parameters of its cutoff."""
    return core_states(panel.until(fold.last_origin), parameters)


def _forecast_fold(
    panel: StudioPanel, fold: Fold, number: int, parameters: CoreParameters, studios: IntArray
) -> OutOfFold:
    origins = origins_between(panel, fold.cutoff, fold.last_origin, studios)
    candidates, _ = core_candidates(fold_states(panel, fold, parameters), origins)
    actual = {t: actual_months(panel, t, origins.rows, origins.columns, MAX_HORIZON_MONTHS) for t in TARGETS}
    last = {t: panel.values[TARGET_COLUMNS[t]][origins.rows, origins.columns] for t in TARGETS}
    return OutOfFold(np.full(len(origins), number), origins, actual, last, candidates)


def _joined(parts: list[OutOfFold]) -> OutOfFold:
    if not parts:
        nothing = np.zeros((0, MAX_HORIZON_MONTHS))
        none = np.zeros(0, dtype=np.int64)
        candidates = {
            t: {n: nothing for n in CORE_CANDIDATES if n not in _LEVELS or t in DIRECT_FLOWS} for t in TARGETS
        }
        return OutOfFold(
            none,
            Origins(none, none),
            dict.fromkeys(TARGETS, nothing),
            {t: np.zeros(0) for t in TARGETS},
            candidates,
        )
    return OutOfFold(
        np.concatenate([p.fold for p in parts]),
        Origins(
            np.concatenate([p.origins.rows for p in parts]),
            np.concatenate([p.origins.columns for p in parts]),
        ),
        {t: np.concatenate([p.actual[t] for p in parts]) for t in TARGETS},
        {t: np.concatenate([p.last_known[t] for p in parts]) for t in TARGETS},
        {
            t: {n: np.concatenate([p.candidates[t][n] for p in parts]) for n in parts[0].candidates[t]}
            for t in TARGETS
        },
    )
