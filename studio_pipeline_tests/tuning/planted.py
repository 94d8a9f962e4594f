"""Folds of which one knows what there is to learn: rows of noise, and misses that follow some of them."""

import numpy as np

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS, ForecastingConfig
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES
from studio_pipeline.forecasting.learners.onnx_ensemble import CorrectionSizes
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.tuning.search import PreparedFold, PreparedFolds

SIZE = 0.1
_SLOW = {name: {"learning_rate": 0.001} for name in ("xgboost", "lightgbm")}
BAD_DEFAULTS = ForecastingConfig.model_validate(_SLOW | {"random_forest": {"min_rows_to_split": 1500}})
"""So timid that they learn next to nothing."""


def without_names(configuration: ForecastingConfig) -> ForecastingConfig:
    """The same values as if they were the defaults, so that the search may change them."""
    learners = {name: getattr(configuration, name) for name in ("xgboost", "lightgbm", "random_forest")}
    made = {name: type(one).model_construct(set(), **one.model_dump()) for name, one in learners.items()}
    return configuration.model_copy(update=made)


def planted_folds(signal: float, seed: int, n_studios: int = 30) -> PreparedFolds:
    """Two folds to search on and one that decides; `signal` is the share of misses that rows tell."""
    rng = np.random.default_rng(seed)
    return PreparedFolds(
        tuple(_fold(rng, signal, first, n_studios) for first in (24, 36)), _fold(rng, signal, 48, n_studios)
    )


def _fold(rng: np.random.Generator, signal: float, first: int, n_studios: int) -> PreparedFold:
    x, y = _rows(rng, signal, 3000)
    n = n_studios * MAX_HORIZON_MONTHS
    asked, missed = _rows(rng, signal, n * MAX_HORIZON_MONTHS)
    # No lever is given.
    shape = (n, MAX_HORIZON_MONTHS)
    columns = first + np.repeat(np.arange(12), n_studios)
    core = np.full(shape, 50_000.0)
    return PreparedFold(
        x.astype(np.float32),
        y.astype(np.float32),
        CorrectionSizes((SIZE,) * MAX_HORIZON_MONTHS, (1.0,) + (0.0,) * len(HELD_LEVERS)),
        asked.astype(np.float32).reshape(*shape, -1),
        core,
        core * np.exp(SIZE * missed.reshape(shape)),
        np.full(shape, 1 / 50_000.0),
        columns[:, None] + np.arange(1, MAX_HORIZON_MONTHS + 1),
    )


def _rows(rng: np.random.Generator, signal: float, n: int) -> tuple[FloatArray, FloatArray]:
    x = rng.normal(size=(n, len(ROW_FEATURES)))
    x[:, -len(HELD_LEVERS) :] = 0.0
    told = np.sign(x[:, 0]) * np.abs(x[:, 1]).clip(0, 1.5)
    return x, signal * told + np.sqrt(max(1 - signal**2, 0)) * rng.normal(size=n)
