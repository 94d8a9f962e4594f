"""Schema checks of features, fits, ensemble weights and tuning trials.

The schemas are in `schema_checks`.
"""

from __future__ import annotations

import pandas as pd

from studio_pipeline.asset_checks.schema_checks import (
    FEATURE_STORE,
    IMPORTANCES,
    OUT_OF_FOLD,
    TRIALS,
    WEIGHTS,
    schema_check,
)
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights
from studio_pipeline.forecasting.learners.learner import LEARNERS, LearnerFit
from studio_pipeline.tuning.result import TunedHyperparameters
from studio_pipeline.tuning.values import ASSET

_FEATURES_CHECKS = [schema_check("studio_features", FEATURE_STORE, blocking=True)]


def core_errors(fit: CoreFit) -> pd.DataFrame:
    """Out-of-fold forecasts of the core with actual values, a row an origin, target and known month."""
    forecasts = fit.out_of_fold
    tables = [
        pd.DataFrame(
            {
                "target": target,
                "actual": forecasts.actual[target].ravel(),
                "core": forecasts.candidates[target]["core"].ravel(),
            }
        )
        for target in forecasts.actual
        if "core" in forecasts.candidates[target]
    ]
    return pd.concat(tables, ignore_index=True).dropna(subset=["actual"])


_MODEL_FITS_CHECKS = [
    schema_check("stock_and_flow_fit", OUT_OF_FOLD, value_type=CoreFit, table_of=core_errors),
    *(
        schema_check(
            f"{learner}_fit",
            IMPORTANCES,
            name="importances_schema",
            value_type=LearnerFit,
            table_of=lambda fit: fit.importances,
        )
        for learner in LEARNERS
    ),
]


_ENSEMBLE_CHECKS = [
    schema_check(
        "ensemble_weights",
        WEIGHTS,
        blocking=True,
        value_type=EnsembleWeights,
        table_of=lambda weights: weights.frame,
    )
]


_TUNING_CHECKS = [
    schema_check(
        ASSET,
        TRIALS,
        name="trials_schema",
        value_type=TunedHyperparameters,
        table_of=lambda tuned: tuned.trials,
    )
]

CHECKS = [*_FEATURES_CHECKS, *_MODEL_FITS_CHECKS, *_ENSEMBLE_CHECKS, *_TUNING_CHECKS]
