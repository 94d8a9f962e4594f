"""The service over a real, small model: trained, published, loaded and asked over HTTP."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from processes import python, service
from small_model import ALL_LEVERS

from serving.schemas.forward import ForwardAnswer
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.publishing.layout import model_folder, snapshot_folder
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.publishing.snapshots import read_panel

FORWARD = "/api/v1/predict/forward"
STUDIO = "studio-00001"


@pytest.fixture(scope="module")
def served(real_home: Path) -> Iterator[httpx.Client]:
    """The service in a process of its own."""
    with service(real_home, "-c", "from serving.server import serve; serve(port={port})") as client:
        yield client


def test_http_answers_what_the_published_model_says(served: httpx.Client, real_home: Path) -> None:
    release = current_release(real_home)
    panel = read_panel(snapshot_folder(real_home, release.data_version))
    forecaster = Forecaster(StudioModel.load(model_folder(real_home, release.model_version)), panel)
    levers, levels = {"avg_ticket_price": 150.0}, [0.8]
    query = ForwardQuery(STUDIO, projection_months=12, levers=levers, interval_levels=tuple(levels))
    (expected,) = forecaster.forecast([query])
    assert isinstance(expected, Forecast)
    body = {"studio_id": STUDIO, "projection_months": 12, "levers": levers}
    response = served.post(
        FORWARD, json={**body, "include_confidence_intervals": True, "interval_levels": levels}
    )
    assert response.status_code == 200
    ForwardAnswer.model_validate_json(response.content)
    months = list(response.json()["predictions"].values())
    np.testing.assert_allclose([month["revenue"] for month in months], expected.revenue, rtol=1e-9)
    bounds = [month["confidence_interval"] for month in months]
    np.testing.assert_allclose(bounds, expected.intervals[0.8], rtol=1e-9)


def test_health_and_studios_are_those_of_the_release(served: httpx.Client) -> None:
    health = served.get("/api/v1/health").json()
    assert (health["status"], health["model_version"]) == ("healthy", "1")
    assert health["model_features"] > 0
    studios = {
        entry["studio_id"]: entry["months"] for entry in served.get("/api/v1/studios").json()["studios"]
    }
    assert len(studios) == 24
    # The second has a gap of three months.
    assert (studios[STUDIO], studios["studio-00002"]) == (40, 37)


def test_a_new_studio_is_answered_from_its_levers(served: httpx.Client) -> None:
    body = {"studio_id": "new", "levers": ALL_LEVERS, "studio_type": "Yoga", "compare_to_status_quo": True}
    response = served.post(FORWARD, json=body)
    assert response.status_code == 200
    answer = ForwardAnswer.model_validate_json(response.content)
    assert answer.history_months == 0
    assert answer.warnings
    assert answer.predictions["month_1"].revenue > 0


TRAINING = "dagster joblib lightgbm matplotlib mlflow pandas pandera sklearn xgboost"

ASK = f"""
import sys
from pathlib import Path
import serving.app, serving.server
from serving.model_store import ModelStore
from studio_pipeline.forecasting.base.queries import ForwardQuery
store = ModelStore(Path(sys.argv[1]))
store.refresh()
(answer,) = store.require().forecaster.forecast([ForwardQuery("{STUDIO}")])
print(type(answer).__name__, sorted({{*"{TRAINING} openai".split()}} & set(sys.modules)))
"""


def test_a_forecast_loads_no_training_library_and_writes_nothing_into_the_user_s_home(
    real_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_home = tmp_path / "user"
    user_home.mkdir()
    for name in [name for name in os.environ if name.startswith(("XDG_", "ORT_"))]:
        monkeypatch.delenv(name)
    assert python(tmp_path, "-c", ASK, str(real_home), HOME=str(user_home)) == "Forecast []\n"
    assert list(user_home.rglob("*")) == []


def test_importing_the_service_does_no_io(tmp_path: Path) -> None:
    # A wrong setting would stop an import that reads the settings.
    python(tmp_path, "-c", "import serving.app", STUDIO_HOME="home", STUDIO_RATE_LIMIT="rubbish")
    assert list(tmp_path.iterdir()) == []
