"""XGBoost behind the learners' interface: fit, prediction, importances and export."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from studio_pipeline.forecasting.base.hyperparameters import BoostingHyperparameters
from studio_pipeline.forecasting.features.feature_matrix import RowArray
from studio_pipeline.forecasting.learners.onnx_ensemble import GRAPH_NAME, input_type
from studio_pipeline.panel.arrays import FloatArray


@dataclass(frozen=True)
class XGBoostLearner:
    """Fitted XGBoost booster."""

    booster: xgb.Booster
    n_features: int

    def predict(self, features: RowArray) -> FloatArray:
        """Predict (R,) corrections."""
        return np.asarray(self.booster.inplace_predict(features), dtype=np.float64)

    def importances(self) -> FloatArray:
        """(F,) shares of total gain."""
        gains = np.zeros(self.n_features)
        for name, gain in self.booster.get_score(importance_type="total_gain").items():
            gains[int(name[1:])] = gain
        return np.asarray(gains / max(gains.sum(), 1e-300))

    def native(self) -> bytes:
        """Serialise as UBJSON."""
        return bytes(self.booster.save_raw("ubj"))

    def onnx(self) -> bytes:
        """Convert to an ONNX graph."""
        from onnxmltools.convert import convert_xgboost

        return bytes(
            convert_xgboost(
                self.booster, name=GRAPH_NAME, initial_types=input_type(self.n_features)
            ).SerializeToString()
        )


def fit_xgboost(
    x: RowArray, y: RowArray, signs: tuple[int, ...], hyperparameters: BoostingHyperparameters, seed: int
) -> XGBoostLearner:
    """Fit boosted trees with histogram splits.

    `signs`: (F,) monotonicity constraints: -1, 0 (none) or 1.
    """
    parameters = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_depth": hyperparameters.max_depth,
        "eta": hyperparameters.learning_rate,
        "subsample": hyperparameters.row_sample,
        "colsample_bytree": hyperparameters.column_sample,
        "lambda": hyperparameters.l2,
        "min_child_weight": hyperparameters.min_rows_per_leaf,
        "monotone_constraints": signs,
        "base_score": float(y.mean()),
        "seed": seed,
        "nthread": 1,
    }
    data = xgb.QuantileDMatrix(x, y, nthread=1)
    return XGBoostLearner(xgb.train(parameters, data, hyperparameters.n_trees), x.shape[1])
