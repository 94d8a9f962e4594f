"""scikit-learn's random forest behind the learners' interface: fit, prediction, importances and export."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import skops.io
from sklearn.ensemble import RandomForestRegressor

from studio_pipeline.forecasting.base.hyperparameters import ForestHyperparameters
from studio_pipeline.forecasting.features.feature_matrix import RowArray
from studio_pipeline.forecasting.learners.onnx_ensemble import GRAPH_NAME, input_type
from studio_pipeline.panel.arrays import FloatArray


@dataclass(frozen=True)
class ForestLearner:
    """Fitted random forest."""

    forest: RandomForestRegressor
    n_features: int

    def predict(self, features: RowArray) -> FloatArray:
        """Predict (R,) corrections."""
        return np.asarray(self.forest.predict(features), dtype=np.float64)

    def importances(self) -> FloatArray:
        """(F,) shares of impurity decrease."""
        return np.asarray(self.forest.feature_importances_, dtype=np.float64)

    def native(self) -> bytes:
        """Serialise with skops, whose format contains no code."""
        return bytes(skops.io.dumps(self.forest))

    def onnx(self) -> bytes:
        """Convert to an ONNX graph."""
        from skl2onnx import to_onnx

        model = to_onnx(self.forest, None, GRAPH_NAME, input_type(self.n_features), target_opset=15)
        # The converter sends missing values to the right child, the forest to the one with more rows.
        left = np.concatenate([tree.tree_.missing_go_to_left for tree in self.forest.estimators_])
        (nodes,) = (a for a in model.graph.node[0].attribute if a.name == "nodes_missing_value_tracks_true")
        nodes.ints[:] = left.astype(np.int64)
        return bytes(model.SerializeToString())


def fit_forest(
    x: RowArray, y: RowArray, signs: tuple[int, ...], hyperparameters: ForestHyperparameters, seed: int
) -> ForestLearner:
    """Fit a forest, each tree on a sample of the rows to limit the time of the fit.

    `x`: (R, F) rows without missing values; `signs`: (F,) monotonicity constraints: -1, 0 (none) or 1.
    """
    forest = RandomForestRegressor(
        n_estimators=hyperparameters.n_trees,
        max_depth=hyperparameters.max_depth,
        min_samples_split=hyperparameters.min_rows_to_split,
        max_samples=hyperparameters.row_sample,
        max_features=hyperparameters.column_sample,
        monotonic_cst=list(signs),
        random_state=seed,
        n_jobs=1,
    )
    return ForestLearner(forest.fit(x, y), x.shape[1])
