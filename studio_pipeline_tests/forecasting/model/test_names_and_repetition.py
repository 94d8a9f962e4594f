"""An answer knows neither the studios' names nor the order they come in, and the same months give the same
model.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.forecasting.backtest.learner_backtest import fit_learner
from studio_pipeline.forecasting.features.feature_store import feature_frame
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.forecasting.fleets import (
    CONFIGURATION,
    Fitted,
    answered,
    figures_of,
    fit_all,
    year_ahead,
)

SAMPLING = CONFIGURATION.model_copy(
    update={
        "core": CONFIGURATION.core.model_copy(update={"tuning_studios": 7}),
        "backtest": CONFIGURATION.backtest.model_copy(update={"max_studios": 9, "max_training_rows": 1_000}),
    }
)
"""Every sample is smaller than what it is drawn from."""


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return generate_months(GeneratorConfig(studios=14, months=30))


@pytest.fixture(scope="module")
def sampled(frame: pd.DataFrame) -> Fitted:
    return fit_all(panel_from_frame(frame), SAMPLING)


def by_studio(fitted: Fitted) -> list[FloatArray]:
    """Every number of each studio's year ahead, under a model in which every candidate counts."""
    answers = answered(Forecaster(fitted.model_of_all, fitted.panel), year_ahead(fitted.panel))
    return [np.concatenate(figures_of(answer)) for answer in answers]


def files_of(fitted: Fitted, folder: Path) -> dict[str, bytes]:
    """What is stored of a model in which every learner counts."""
    folder.mkdir()
    fitted.model_of_all.save(folder)
    replace(fitted.model, graphs=None).save(folder)
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def renamed_backwards(frame: pd.DataFrame) -> pd.DataFrame:
    """Names whose order is the reverse of the studios', so that every studio's row is another."""
    names = sorted(frame["studio_id"].unique())
    backwards = {name: f"s{len(names) - k:03d}" for k, name in enumerate(names)}
    return frame.assign(studio_id=frame["studio_id"].map(backwards))


def test_another_seed_is_another_model(sampled: Fitted) -> None:
    panel, reseeded = sampled.panel, SAMPLING.model_copy(update={"seed": 8})
    other = fit_learner("xgboost", panel, feature_frame(panel), sampled.core, reseeded)
    assert other.onnx_models != sampled.fits[0].onnx_models


def test_a_second_fit_of_other_names_and_another_order_of_rows_changes_not_a_byte(
    frame: pd.DataFrame, sampled: Fitted, tmp_path: Path
) -> None:
    renamed = frame.assign(studio_id="x" + frame["studio_id"]).sample(frac=1, random_state=2)
    again = fit_all(panel_from_frame(renamed), SAMPLING)
    usual, files = files_of(sampled, tmp_path / "usual"), files_of(again, tmp_path / "again")
    assert set(usual) == {"model.json", "corrections.onnx"}
    # Responses of single studios are stored by name.
    assert b'"xstudio' in files["model.json"]
    files["model.json"] = files["model.json"].replace(b'"xstudio', b'"studio')
    assert files == usual
    np.testing.assert_array_equal(by_studio(again), by_studio(sampled))


def test_in_another_order_of_studios_the_same_is_fitted(frame: pd.DataFrame, sampled: Fitted) -> None:
    turned = fit_all(panel_from_frame(renamed_backwards(frame)), SAMPLING)
    for target, weights in sampled.model.weights.items():
        np.testing.assert_allclose(turned.model.weights[target], weights, atol=1e-5)
    np.testing.assert_allclose(by_studio(turned)[::-1], by_studio(sampled), rtol=1e-5)
