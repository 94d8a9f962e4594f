"""The service over a real, small model: trained, published, loaded and asked over HTTP."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from processes import FORBIDDEN, python, service
from small_model import ALL_LEVERS

from serving.schemas.forward import ForwardAnswer
from studio_pipeline.forecasting.backtest.core_backtest import fit_core
from studio_pipeline.forecasting.backtest.learner_backtest import fit_learner
from studio_pipeline.forecasting.base.hyperparameters import (
    BacktestHyperparameters,
    BoostingHyperparameters,
    CoreHyperparameters,
    ForecastingConfig,
    ForestHyperparameters,
)
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.ensemble.weights import fit_weights
from studio_pipeline.forecasting.features.feature_store import feature_frame
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.model.assembly import assemble_model
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.layout import model_folder, snapshot_folder
from studio_pipeline.publishing.releases import Release, publish_release
from studio_pipeline.publishing.snapshots import read_panel, write_panel

FORWARD = "/api/v1/predict/forward"

QUICK = ForecastingConfig(
    xgboost=BoostingHyperparameters(n_trees=5),
    lightgbm=BoostingHyperparameters(n_trees=5),
    random_forest=ForestHyperparameters(n_trees=3),
    core=CoreHyperparameters(tuning_rounds=1),
    backtest=BacktestHyperparameters(folds=1, max_training_rows=3000),
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Release]:
    """A home with a release of a model of a few generated studios."""
    home = tmp_path_factory.mktemp("home")
    panel = panel_from_frame(generate_months(GeneratorConfig(studios=8, months=36)))
    core, features = fit_core(panel, QUICK), feature_frame(panel)
    fits = [
        fit_learner(name, panel, features, core, QUICK) for name in ("xgboost", "lightgbm", "random_forest")
    ]
    model = assemble_model(panel, core, fits, fit_weights(core, fits, QUICK), QUICK)
    write_bundle(home, "1", model.save, {"run_id": "run-1"})
    data_version = write_panel(home, panel)
    moment = datetime(2025, 1, 3, tzinfo=UTC)
    release = Release("1", data_version, "generator", date(2024, 12, 1), "run-1", moment, {"wape": 0.05})
    return home, publish_release(home, release)


def test_http_answers_what_the_published_model_says(published: tuple[Path, Release]) -> None:
    home, release = published
    panel = read_panel(snapshot_folder(home, release.data_version))
    forecaster = Forecaster(StudioModel.load(model_folder(home, release.model_version)), panel)
    studio = str(panel.studio_ids[3])
    query = ForwardQuery(
        studio, projection_months=12, levers={"avg_ticket_price": 150.0}, interval_levels=(0.8,)
    )
    (expected,) = forecaster.forecast([query])
    assert isinstance(expected, Forecast)
    body = {
        "studio_id": studio,
        "projection_months": 12,
        "levers": {"avg_ticket_price": 150.0},
        "include_confidence_intervals": True,
        "interval_levels": [0.8],
    }
    with service(home, "-c", "from serving.server import serve; serve(port={port})") as client:
        health = client.get("/api/v1/health").json()
        response = client.post(FORWARD, json=body)
        studios = client.get("/api/v1/studios").json()["studios"]
    assert (health["status"], health["model_version"]) == ("healthy", "1")
    assert health["model_features"] > 0
    assert response.status_code == 200
    ForwardAnswer.model_validate_json(response.content)
    months = list(response.json()["predictions"].values())
    np.testing.assert_allclose([month["revenue"] for month in months], expected.revenue, rtol=1e-9)
    np.testing.assert_allclose(
        [month["confidence_interval"] for month in months], expected.intervals[0.8], rtol=1e-9
    )
    assert [entry["months"] for entry in studios] == [36] * 8


def test_refusals_of_the_model_have_their_status(published: tuple[Path, Release]) -> None:
    home, release = published
    studio = str(read_panel(snapshot_folder(home, release.data_version)).studio_ids[0])
    with service(home, "-c", "from serving.server import serve; serve(port={port})") as client:
        unknown = client.post(FORWARD, json={"studio_id": "nobody"})
        late = client.post(FORWARD, json={"studio_id": studio, "base_month": "2025-01-01"})
        high = client.post(FORWARD, json={"studio_id": studio, "levers": {"avg_ticket_price": 1e6}})
    assert [unknown.status_code, late.status_code, high.status_code] == [404, 422, 422]
    assert "2024-12" in late.json()["detail"]
    assert "avg_ticket_price" in high.json()["detail"]


def test_a_new_studio_is_answered_from_its_levers(published: tuple[Path, Release]) -> None:
    body = {"studio_id": "new", "levers": ALL_LEVERS, "studio_type": "Yoga", "compare_to_status_quo": True}
    with service(published[0], "-c", "from serving.server import serve; serve(port={port})") as client:
        response = client.post(FORWARD, json=body)
        partly = client.post(FORWARD, json={**body, "levers": {"retention_rate": 0.93}})
    assert (response.status_code, partly.status_code) == (200, 404)
    answer = ForwardAnswer.model_validate_json(response.content)
    assert answer.history_months == 0
    assert answer.warnings
    assert answer.predictions["month_1"].revenue > 0


ASK = """
import sys
from pathlib import Path
from serving.model_store import ModelStore
from studio_pipeline.forecasting.base.queries import ForwardQuery
store = ModelStore(Path(sys.argv[1]))
store.refresh()
forecaster = store.require().forecaster
(answer,) = forecaster.forecast([ForwardQuery(str(forecaster.panel.studio_ids[0]))])
print(type(answer).__name__)
"""


def test_a_forecast_writes_nothing_into_the_user_s_home(
    published: tuple[Path, Release], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_home = tmp_path / "user"
    user_home.mkdir()
    for name in [name for name in os.environ if name.startswith(("XDG_", "ORT_"))]:
        monkeypatch.delenv(name)
    assert python(tmp_path, "-c", ASK, str(published[0]), HOME=str(user_home)).strip() == "Forecast"
    assert list(user_home.rglob("*")) == []


LOAD = f"""
import sys
from pathlib import Path
from serving.model_store import ModelStore
import serving.app, serving.server
store = ModelStore(Path(sys.argv[1]))
store.refresh()
print(store.require().release.version, sorted(set({FORBIDDEN}) & set(sys.modules)))
"""


def test_loading_a_release_brings_no_training_library(
    published: tuple[Path, Release], tmp_path: Path
) -> None:
    assert python(tmp_path, "-c", LOAD, str(published[0])) == "1 []\n"
