"""Graphs answer as the native models do, and what is stored comes back the same, without pickles."""

import pickletools
import zipfile
from pathlib import Path

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.backtest.learner_backtest import fit_target
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.hyperparameters import LearnerName
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES, RowArray
from studio_pipeline.forecasting.features.lever_features import monotone_signs
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.forecasting.learners.libraries import FittedLearner
from studio_pipeline.forecasting.learners.onnx_ensemble import joined_graph
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline_tests.forecasting.fleets import (
    CONFIGURATION,
    LEARNERS,
    Fitted,
    answered,
    assert_same,
    year_ahead,
)


def made_up_rows(seed: int, n: int = 3000) -> tuple[RowArray, RowArray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, len(ROW_FEATURES))).astype(np.float32)
    x[:, ::7] = 0.0
    y = 0.3 * np.tanh(x[:, 1]) + 0.2 * (x[:, 2] > 0) * x[:, 3] + rng.normal(0, 0.05, n)
    return x, y.astype(np.float32)


@pytest.fixture(scope="module")
def fitted() -> dict[LearnerName, FittedLearner]:
    x, y = made_up_rows(1)
    signs = monotone_signs(ROW_FEATURES, "members")
    return {learner: fit_target(learner, x, y, signs, CONFIGURATION) for learner in LEARNERS}


def with_unknowns(rows: RowArray, seed: int) -> RowArray:
    """A fifth of all values missing."""
    return np.where(np.random.default_rng(seed).random(rows.shape) < 0.2, np.float32(np.nan), rows)


def asked_rows() -> RowArray:
    """New rows, with and without missing values, and those fitted on, some of which lie on a threshold."""
    new, _ = made_up_rows(2)
    return np.concatenate([new, with_unknowns(new, 3), made_up_rows(1)[0]])


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_graph_answers_as_its_native_model(
    fitted: dict[LearnerName, FittedLearner], learner: LearnerName
) -> None:
    model = fitted[learner]
    x = asked_rows()
    session = ort.InferenceSession(model.onnx(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"features": x})
    native = model.predict(x)
    assert native.std() > 0.03
    assert np.abs(found.reshape(-1) - native).max() <= 1e-4 * np.abs(native).max()
    np.testing.assert_allclose(found.reshape(-1), native, rtol=1e-4, atol=1e-6)


def test_one_graph_answers_as_all_of_its_models_side_by_side(
    fitted: dict[LearnerName, FittedLearner],
) -> None:
    x = asked_rows()
    models = [fitted[learner] for learner in (*LEARNERS, LEARNERS[0])]
    for chosen in (models, models[1:2]):
        graph = joined_graph([model.onnx() for model in chosen], x.shape[1])
        session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"features": x})
        native = np.stack([model.predict(x) for model in chosen], 1)
        assert found.shape == native.shape
        np.testing.assert_allclose(found, native, rtol=1e-4, atol=1e-6)


def test_a_graph_that_holds_no_trees_is_refused() -> None:
    with pytest.raises(ValueError, match="not 0"):
        joined_graph(
            [onnx.helper.make_model(onnx.helper.make_graph([], "none", [], [])).SerializeToString()], 3
        )


def test_a_saved_lightgbm_model_answers_as_the_fitted_one(fitted: dict[LearnerName, FittedLearner]) -> None:
    x = asked_rows()
    model = fitted["lightgbm"]
    again = lgb.Booster(model_str=model.native().decode())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("target", TARGETS)
def test_corrections_follow_a_lever_in_the_direction_that_is_known(learner: LearnerName, target: str) -> None:
    """Also where the rows that it was fitted on say the opposite."""
    signs = monotone_signs(ROW_FEATURES, target)
    signed = np.flatnonzero(signs)
    x, y = made_up_rows(5)
    x[:, signed] = np.random.default_rng(5).normal(0, 1, (len(x), len(signed)))
    against = y - 0.5 * (x[:, signed] * np.take(signs, signed)).sum(1)
    model = fit_target(learner, x, against.astype(np.float32), signs, CONFIGURATION)
    free = fit_target(learner, x, against.astype(np.float32), (0,) * x.shape[1], CONFIGURATION)
    rows, _ = made_up_rows(6, 200)
    undone = 0
    for feature in signed:
        swept = np.repeat(rows[:, None], 9, 1)
        swept[:, :, feature] = np.linspace(-3, 3, 9, dtype=np.float32)
        flat = swept.reshape(-1, rows.shape[1])
        steps = np.diff(model.predict(flat).reshape(200, 9), axis=1) * signs[feature]
        assert (steps >= -1e-6).all()
        undone += int((np.diff(free.predict(flat).reshape(200, 9), axis=1) * signs[feature] < 0).sum())
    assert undone > 100


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_learner_learns_and_says_from_what(
    fitted: dict[LearnerName, FittedLearner], learner: LearnerName
) -> None:
    x, y = made_up_rows(2)
    model = fitted[learner]
    assert np.corrcoef(model.predict(x), y)[0, 1] > 0.5
    importances = model.importances()
    assert importances.shape == (len(ROW_FEATURES),)
    assert importances.sum() == pytest.approx(1)
    assert importances[1:4].sum() > 0.6


def is_pickle(content: bytes) -> bool:
    try:
        return sum(1 for _ in pickletools.genops(content)) > 1
    except (ValueError, IndexError, UnicodeDecodeError, KeyError, DeprecationWarning):
        return False


def test_what_is_stored_comes_back_and_nothing_is_a_pickle(fleet: Fitted, tmp_path: Path) -> None:
    for name, part in {"core": fleet.core, "weights": fleet.weights}.items():
        (tmp_path / name).mkdir()
        part.write(tmp_path / name)
    for fit in fleet.fits:
        (tmp_path / fit.learner).mkdir()
        fit.write(tmp_path / fit.learner)
    (tmp_path / "model").mkdir()
    fleet.model_of_all.save(tmp_path / "model")

    core = CoreFit.read(tmp_path / "core")
    assert core.folds == fleet.core.folds
    assert core.parameters.to_json() == fleet.core.parameters.to_json()
    for target in TARGETS:
        for name, forecast in fleet.core.out_of_fold.candidates[target].items():
            np.testing.assert_array_equal(core.out_of_fold.candidates[target][name], forecast)
    weights = EnsembleWeights.read(tmp_path / "weights")
    np.testing.assert_array_equal(weights.matrix("revenue", 1), fleet.weights.matrix("revenue", 1))
    for fit in fleet.fits:
        again = LearnerFit.read(tmp_path / fit.learner)
        assert again.native_models == fit.native_models
        assert again.onnx_models == fit.onnx_models
        assert again.sizes == fit.sizes
        np.testing.assert_array_equal(again.out_of_fold_known["revenue"], fit.out_of_fold_known["revenue"])
        np.testing.assert_array_equal(again.out_of_fold["revenue"], fit.out_of_fold["revenue"])
        assert again.importances.equals(fit.importances)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {p.suffix for p in files} <= {".json", ".npz", ".parquet", ".onnx", ".ubj", ".txt", ".skops"}
    for path in files:
        assert not is_pickle(path.read_bytes()), path
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                assert not any(n.endswith((".pkl", ".pickle")) for n in archive.namelist())
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                assert all(arrays[name].dtype.kind in "fiub" for name in arrays.files)


def test_a_saved_model_answers_as_the_fitted_one(fleet: Fitted, tmp_path: Path) -> None:
    fleet.model_of_all.save(tmp_path)
    loaded = StudioModel.load(tmp_path)
    queries = year_ahead(fleet.panel)
    usual = answered(Forecaster(fleet.model_of_all, fleet.panel), queries)
    for a, b in zip(usual, answered(Forecaster(loaded, fleet.panel), queries), strict=True):
        assert_same(a, b, rtol=0)
        assert a.warnings == b.warnings
    np.testing.assert_array_equal(loaded.accuracy, fleet.model.accuracy)


def test_out_of_fold_corrections_are_bounded_and_named(fleet: Fitted) -> None:
    for fit in fleet.fits:
        assert set(fit.out_of_fold) == set(TARGETS)
        assert all(np.isfinite(x).all() and np.abs(x).max() <= 1 for x in fit.out_of_fold.values())
        assert set(fit.importances["feature"]) == set(ROW_FEATURES)
        assert any(x.any() for x in fit.out_of_fold.values())
