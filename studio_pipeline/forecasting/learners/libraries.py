"""XGBoost, LightGBM and scikit-learn's random forest: fits of one target's corrections, and their export.

Each library takes seconds to import: only the one in use is imported. The fit over the backtest folds is in
`backtest.learner_backtest`, the training set in `training_set`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import BoostingHyperparameters, ForestHyperparameters
from studio_pipeline.forecasting.features.feature_matrix import RowArray
from studio_pipeline.forecasting.learners.onnx_ensemble import GRAPH_NAME, input_type
from studio_pipeline.panel.arrays import FloatArray


@dataclass(frozen=True)
class FittedLearner:
    """Fitted model of one target; R rows of F features."""

    predict: Callable[[RowArray], FloatArray]  # (R,) corrections of (R, F) rows, in usual sizes
    importances: Callable[[], FloatArray]  # (F,) share of each feature in the gain; all 0 without any split
    native: Callable[[], bytes]  # the model in its library's own format; never a pickle
    onnx: Callable[[], bytes]  # ONNX graph with one float input `features` (R, F)


def fit_xgboost(
    x: RowArray, y: RowArray, signs: tuple[int, ...], hyperparameters: BoostingHyperparameters, seed: int
) -> FittedLearner:
    """Fit boosted trees with histogram splits to the (R,) corrections `y` of (R, F) rows. `signs`: (F,)
    monotonicity constraints: -1, 0 (none) or 1.
    """
    import xgboost as xgb

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
    booster = xgb.train(parameters, xgb.QuantileDMatrix(x, y, nthread=1), hyperparameters.n_trees)

    def importances() -> FloatArray:
        gains = np.zeros(x.shape[1])
        for name, gain in booster.get_score(importance_type="total_gain").items():
            gains[int(name[1:])] = gain
        return np.asarray(gains / max(gains.sum(), 1e-300))

    def onnx() -> bytes:
        from onnxmltools.convert import convert_xgboost

        graph = convert_xgboost(booster, name=GRAPH_NAME, initial_types=input_type(x.shape[1]))
        return bytes(graph.SerializeToString())

    return FittedLearner(
        lambda features: np.asarray(booster.inplace_predict(features), dtype=np.float64),
        importances,
        lambda: bytes(booster.save_raw("ubj")),
        onnx,
    )


def fit_lightgbm(
    x: RowArray, y: RowArray, signs: tuple[int, ...], hyperparameters: BoostingHyperparameters, seed: int
) -> FittedLearner:
    """Fit boosted trees, with arguments and hyperparameters as of `fit_xgboost`."""
    import lightgbm as lgb

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
    exact = lgb.train(parameters, data, hyperparameters.n_trees)
    booster = lgb.Booster(model_str=_float_thresholds(exact.model_to_string()))

    def importances() -> FloatArray:
        gains = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
        return np.asarray(gains / max(gains.sum(), 1e-300))

    def onnx() -> bytes:
        from onnxmltools.convert import convert_lightgbm

        graph = convert_lightgbm(booster, name=GRAPH_NAME, initial_types=input_type(x.shape[1]))
        return bytes(graph.SerializeToString())

    return FittedLearner(
        lambda features: np.asarray(booster.predict(features), dtype=np.float64),
        importances,
        lambda: str(booster.model_to_string()).encode(),
        onnx,
    )


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


def fit_forest(
    x: RowArray, y: RowArray, signs: tuple[int, ...], hyperparameters: ForestHyperparameters, seed: int
) -> FittedLearner:
    """Fit a forest, each tree on a sample of the rows to limit the time of the fit; rows without missing
    values, arguments as of `fit_xgboost`.
    """
    import skops.io
    from sklearn.ensemble import RandomForestRegressor

    forest: Any = RandomForestRegressor(
        n_estimators=hyperparameters.n_trees,
        max_depth=hyperparameters.max_depth,
        min_samples_split=hyperparameters.min_rows_to_split,
        max_samples=hyperparameters.row_sample,
        max_features=hyperparameters.column_sample,
        monotonic_cst=list(signs),
        random_state=seed,
        n_jobs=1,
    ).fit(x, y)

    def onnx() -> bytes:
        from skl2onnx import to_onnx

        model = to_onnx(forest, None, GRAPH_NAME, input_type(x.shape[1]), target_opset=15)
        # The converter sends missing values to the right child, the forest to the one with more rows.
        left = np.concatenate([tree.tree_.missing_go_to_left for tree in forest.estimators_])
        (nodes,) = (a for a in model.graph.node[0].attribute if a.name == "nodes_missing_value_tracks_true")
        nodes.ints[:] = left.astype(np.int64)
        return bytes(model.SerializeToString())

    return FittedLearner(
        lambda features: np.asarray(forest.predict(features), dtype=np.float64),
        lambda: np.asarray(forest.feature_importances_, dtype=np.float64),
        lambda: bytes(skops.io.dumps(forest)),  # the format of skops contains no code
        onnx,
    )
