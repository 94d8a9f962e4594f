"""Backtest of a learner: a fit at every fold's cutoff for out-of-fold corrections, and one on all months.

A learner predicts corrections of the core. The folds and the core's out-of-fold forecasts come from
`core_backtest`; the learners themselves and their training set are in `learners`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from studio_pipeline.forecasting.backtest.core_backtest import CoreFit, backtest_studios, fold_states
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.given_levers import known_levers
from studio_pipeline.forecasting.base.hyperparameters import (
    MAX_HORIZON_MONTHS,
    ForecastingConfig,
    LearnerName,
)
from studio_pipeline.forecasting.base.origins import Origins, origins_between
from studio_pipeline.forecasting.core.states import CoreStates, core_states
from studio_pipeline.forecasting.features.feature_matrix import (
    IS_GIVEN,
    ROW_FEATURES,
    RowArray,
    centred_rows,
    with_given,
)
from studio_pipeline.forecasting.features.feature_store import feature_array
from studio_pipeline.forecasting.features.lever_features import determined, monotone_signs, trailing_levels
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.forecasting.learners.libraries import (
    FittedLearner,
    fit_forest,
    fit_lightgbm,
    fit_xgboost,
)
from studio_pipeline.forecasting.learners.onnx_ensemble import CorrectionSizes
from studio_pipeline.forecasting.learners.training_set import LearningRows, learning_rows
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.frames import stacked_tables

_FEWEST_ROWS = 120
_FEWEST_MONTHS_BEFORE = 6
_MONTHS_BEFORE = 18
_SUFFIXES: dict[LearnerName, str] = {"xgboost": ".ubj", "lightgbm": ".txt", "random_forest": ".skops"}


def fit_learner(
    learner: LearnerName,
    panel: StudioPanel,
    features: pd.DataFrame,
    core: CoreFit,
    configuration: ForecastingConfig,
) -> LearnerFit:
    """Fits a learner at the folds of `core` for its out-of-fold corrections, then on all months."""
    laid_out = feature_array(features, panel)
    shape = (len(core.out_of_fold.fold), MAX_HORIZON_MONTHS)
    free, known = ({target: np.zeros(shape) for target in TARGETS} for _ in range(2))
    for number, (fold, parameters) in enumerate(zip(core.folds, core.fold_parameters, strict=True)):
        states = fold_states(panel, fold, parameters)
        seen = panel.until(fold.cutoff)
        studios = backtest_studios(panel, configuration)
        origins = origins_between(seen, first_origin(fold.cutoff), fold.cutoff - 1, studios)
        rows = rows_to_learn(seen, laid_out, states, origins, configuration)
        models = _fit_targets(learner, rows, configuration)
        here = core.out_of_fold.fold == number
        asked = core.out_of_fold.origins.take(np.flatnonzero(here))
        asked_rows = free_rows(laid_out, states, asked)
        levels = trailing_levels(states.panel, asked)
        levers = known_levers(panel, asked)
        for found, given in ((free, {}), (known, levers)):
            corrections = corrections_of(models, rows.sizes, with_given(asked_rows, levels, given), given)
            for target, correction in corrections.items():
                found[target][here] = correction
    states = core_states(panel, core.parameters)
    origins = origins_between(panel, first_origin(panel.n_months - 1), panel.n_months - 2)
    rows = rows_to_learn(panel, laid_out, states, origins, configuration)
    models = _fit_targets(learner, rows, configuration)
    return LearnerFit(
        learner,
        free,
        known,
        _importances(learner, models),
        {f"{learner}_{target}{_SUFFIXES[learner]}": m.native() for target, m in models.items()},
        {target: m.onnx() for target, m in models.items()},
        {target: rows.sizes[target] for target in models},
    )


def free_rows(features: FloatArray, states: CoreStates, origins: Origins) -> RowArray:
    """(N, 12, F) feature rows of N origins with every lever free, from (S, T, F0) base-month features."""
    x = centred_rows(features, states, origins, {})
    return x.reshape(len(origins), MAX_HORIZON_MONTHS, len(ROW_FEATURES))


def corrections_of(
    models: Mapping[str, FittedLearner],
    sizes: Mapping[str, CorrectionSizes],
    rows: RowArray,
    levers: Mapping[str, FloatArray],
) -> dict[str, FloatArray]:
    """Predicts target to (N, 12) corrections from (N, 12, F) feature rows, which contain the given levers; 0
    where these determine the target.
    """
    given, certain = rows[:, :, IS_GIVEN], determined(levers)
    found = {}
    for target, model in models.items():
        answers = model.predict(rows.reshape(-1, rows.shape[2])).reshape(rows.shape[:2])
        found[target] = np.where(certain[target], 0.0, answers * sizes[target].of(given))
    return found


def first_origin(cutoff: int) -> int:
    """Column of the first origin to learn from: half of the months before the cutoff, between 6 and 18.

    The core's errors after its first few months don't represent its errors with the histories met in use.
    """
    return max(_FEWEST_MONTHS_BEFORE, min(_MONTHS_BEFORE, cutoff // 2))


def rows_to_learn(
    panel: StudioPanel,
    features: FloatArray,
    states: CoreStates,
    origins: Origins,
    configuration: ForecastingConfig,
) -> LearningRows:
    """Training rows of a fit: at most `max_training_rows` from the origins, drawn with the seed."""
    rng = np.random.default_rng(configuration.seed)
    return learning_rows(panel, features, states, origins, configuration.backtest.max_training_rows, rng)


def _fit_targets(
    learner: LearnerName, rows: LearningRows, configuration: ForecastingConfig
) -> dict[str, FittedLearner]:
    """Target to fitted model; a target with too few rows, or whose corrections are all equal, is left out."""
    asked = {target: learnt for target in TARGETS if (learnt := rows_of_target(rows, target))}
    # One thread a target: the libraries' own threads block each other when the machine has other work.
    fitted = Parallel(n_jobs=-1, prefer="threads")(
        delayed(fit_target)(learner, x, y, monotone_signs(ROW_FEATURES, target), configuration)
        for target, (x, y) in asked.items()
    )
    return dict(zip(asked, fitted, strict=True))


def rows_of_target(rows: LearningRows, target: str) -> tuple[RowArray, RowArray] | None:
    """(R, F) rows and (R,) corrections of one target; None if there are too few, or all are equal."""
    corrections = rows.corrections[:, TARGETS.index(target)]
    known = np.isfinite(corrections)
    y = corrections[known].astype(np.float32)
    return (rows.features[known], y) if known.sum() >= _FEWEST_ROWS and y.std() > 0 else None


def fit_target(
    learner: LearnerName, x: RowArray, y: RowArray, signs: tuple[int, ...], configuration: ForecastingConfig
) -> FittedLearner:
    """Fits one learner to one target's corrections. `signs`: F monotone constraints: 1 increasing, -1
    decreasing, 0 none.
    """
    fits: dict[LearnerName, Callable[[], FittedLearner]] = {
        "xgboost": lambda: fit_xgboost(x, y, signs, configuration.xgboost, configuration.seed),
        "lightgbm": lambda: fit_lightgbm(x, y, signs, configuration.lightgbm, configuration.seed),
        "random_forest": lambda: fit_forest(x, y, signs, configuration.random_forest, configuration.seed),
    }
    return fits[learner]()


def _importances(learner: LearnerName, models: dict[str, FittedLearner]) -> pd.DataFrame:
    tables = [
        pd.DataFrame(
            {"learner": learner, "target": target, "feature": ROW_FEATURES, "importance": model.importances()}
        )
        for target, model in models.items()
    ]
    types = dict.fromkeys(("learner", "target", "feature"), "object")
    return stacked_tables(tables, types | {"importance": "float64"})
