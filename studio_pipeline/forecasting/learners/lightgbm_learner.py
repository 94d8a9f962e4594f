"""LightGBM behind the learners' interface: fit, prediction, importances and export."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import BoostingHyperparameters
from studio_pipeline.forecasting.features.feature_matrix import RowArray
from studio_pipeline.forecasting.learners.onnx_ensemble import GRAPH_NAME, input_type
from studio_pipeline.panel.arrays import FloatArray


@dataclass(frozen=True)
class LightGBMLearner:
    """Fitted LightGBM booster."""

    booster: lgb.Booster
    n_features: int

    def predict(self, features: RowArray) -> FloatArray:
        """Predict (R,) corrections."""
        return np.asarray(self.booster.predict(features), dtype=np.float64)

    def importances(self) -> FloatArray:
        """(F,) shares of total gain."""
        gains = np.asarray(self.booster.feature_importance("gain"), dtype=np.float64)
        return np.asarray(gains / max(gains.sum(), 1e-300))

    def native(self) -> bytes:
        """Serialise in LightGBM's text format."""
        return str(self.booster.model_to_string()).encode()

    def onnx(self) -> bytes:
        """Convert to an ONNX graph."""
        from onnxmltools.convert import convert_lightgbm

        return bytes(
            convert_lightgbm(
                self.booster, name=GRAPH_NAME, initial_types=input_type(self.n_features)
            ).SerializeToString()
        )


def fit_lightgbm(
    x: RowArray, y: RowArray, signs: tuple[int, ...], hyperparameters: BoostingHyperparameters, seed: int
) -> LightGBMLearner:
    """Fit boosted trees, with the same hyperparameters as XGBoost.

    `signs`: (F,) monotonicity constraints: -1, 0 (none) or 1.
    """
    parameters = {
        "objective": "regression",
        "max_depth": hyperparameters.max_depth,
        "num_leaves": 2**hyperparameters.max_depth,
        "learning_rate": hyperparameters.learning_rate,
        "bagging_fraction": hyperparameters.row_sample,
        "bagging_freq": 1,
        "feature_fraction": hyperparameters.column_sample,
        "lambda_l2": hyperparameters.l2,
        "min_data_in_leaf": hyperparameters.min_rows_per_leaf,
        "monotone_constraints": list(signs),
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    data = lgb.Dataset(x, y, params={"verbosity": -1, "num_threads": 1})
    booster = lgb.train(parameters, data, hyperparameters.n_trees)
    return LightGBMLearner(lgb.Booster(model_str=_float_thresholds(booster.model_to_string())), x.shape[1])


def _float_thresholds(model: str) -> str:
    """Round each threshold down to float32, which splits float32 rows identically.

    ONNX graphs store thresholds as float32.
    """
    # `tree_sizes` would be wrong after the change; without it LightGBM reads the text sequentially.
    lines = [line for line in model.split("\n") if not line.startswith("tree_sizes=")]
    for place, line in enumerate(lines):
        if line.startswith("threshold="):
            exact = np.array(line.removeprefix("threshold=").split(), dtype=np.float64)
            rounded = exact.astype(np.float32)
            lower = np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
            lines[place] = "threshold=" + " ".join(repr(float(t)) for t in lower)
    return "\n".join(lines)
