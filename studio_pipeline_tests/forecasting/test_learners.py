"""Graphs answer as the native models do, and what is stored comes back the same, without pickles."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.feature_store import feature_frame
from studio_pipeline.forecasting.forecaster import Forecaster
from studio_pipeline.forecasting.given_features import monotone_signs
from studio_pipeline.forecasting.learners import FittedLearner, LearnerFit, LearnerName, _fit_one, fit_learner
from studio_pipeline.forecasting.learning_rows import ROW_FEATURES, RowArray
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.targets import TARGETS
from studio_pipeline.forecasting.weights import EnsembleWeights
from studio_pipeline_tests.forecasting.fleets import (
    CONFIGURATION,
    LEARNERS,
    Fitted,
    answered,
    fit_all,
    small_fleet,
    year_ahead,
)


@pytest.fixture(scope="module")
def fleet() -> Fitted:
    return small_fleet()


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
    return {learner: _fit_one(learner, x, y, signs, CONFIGURATION) for learner in LEARNERS}


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_graph_answers_as_its_native_model(
    fitted: dict[LearnerName, FittedLearner], learner: LearnerName
) -> None:
    model = fitted[learner]
    x, _ = made_up_rows(2)
    session = ort.InferenceSession(model.onnx(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"features": x})
    native = model.predict(x)
    assert native.std() > 0.03
    assert np.abs(found.reshape(-1) - native).max() <= 1e-4 * np.abs(native).max()
    np.testing.assert_allclose(found.reshape(-1), native, rtol=1e-4, atol=1e-6)


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
        np.testing.assert_array_equal(a.revenue, b.revenue)
        np.testing.assert_array_equal(a.member_count, b.member_count)
        np.testing.assert_array_equal(a.intervals[0.9], b.intervals[0.9])
        assert a.warnings == b.warnings
    np.testing.assert_array_equal(loaded.accuracy, fleet.model.accuracy)


def test_two_fits_with_one_seed_are_one_fit_and_another_seed_is_another(fleet: Fitted) -> None:
    again = fit_all(fleet.panel)
    assert again.model.core.to_json() == fleet.model.core.to_json()
    assert again.weights.frame.equals(fleet.weights.frame)
    for one, other in zip(fleet.fits, again.fits, strict=True):
        assert one.onnx_models == other.onnx_models
        for target in TARGETS:
            np.testing.assert_array_equal(one.out_of_fold[target], other.out_of_fold[target])
    reseeded = CONFIGURATION.model_copy(update={"seed": 8})
    other = fit_learner("lightgbm", fleet.panel, feature_frame(fleet.panel), fleet.core, reseeded)
    assert other.onnx_models != fleet.fits[1].onnx_models


def test_out_of_fold_corrections_are_bounded_and_named(fleet: Fitted) -> None:
    for fit in fleet.fits:
        assert set(fit.out_of_fold) == set(TARGETS)
        assert all(np.isfinite(x).all() and np.abs(x).max() <= 1 for x in fit.out_of_fold.values())
        assert set(fit.importances["feature"]) == set(ROW_FEATURES)
        assert any(x.any() for x in fit.out_of_fold.values())
