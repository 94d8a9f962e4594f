import math
import re
from pathlib import Path
from typing import Any

import pytest
from fake_forecaster import fake_panel, publish_fake
from starlette.testclient import TestClient

from serving.schemas.resources import HistoryAnswer
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline.publishing.releases import current_release

API = "/api/v1"


def test_health_names_what_answers(client: TestClient, tmp_path: Path) -> None:
    assert client.get(f"{API}/health").json() == {
        "status": "healthy",
        "model_version": "1",
        "model_features": 3,
        "database": "ok",
        "cache": "memory",
        "release": {
            "version": 1,
            "data_version": current_release(tmp_path).data_version,
            "last_month": "2021-12-01",
            "published_at": "2022-01-03T04:05:00+00:00",
        },
        "problem": None,
    }


def test_the_current_model_is_the_release(client: TestClient, tmp_path: Path) -> None:
    assert client.get(f"{API}/models/current").json() == {
        "version": 1,
        "model_version": "1",
        "data_version": current_release(tmp_path).data_version,
        "challenger_model_version": None,
        "source": "landing",
        "last_month": "2021-12-01",
        "dagster_run_id": "run-1",
        "materialized_at": "2022-01-03T04:05:00+00:00",
        "metrics": {"wape": 0.03},
        "experiment": {
            "mode": "off",
            "challenger_share": 0.1,
            "challenger_model_version": None,
            "challenger_metrics": {},
        },
    }


def test_all_models_that_can_be_read_are_listed_with_the_one_that_answers(client_of, tmp_path: Path) -> None:
    for number in (1, 2, 10):
        publish_fake(tmp_path, number)
    with client_of() as client:
        models = client.get(f"{API}/models").json()["models"]
        listed = [(model["model_version"], model["answering"]) for model in models]
        assert listed == [("1", False), ("2", False), ("10", True)]
        assert models[0]["details"]["run_id"] == "run-1"
        (tmp_path / "models" / "1" / "manifest.json").write_text("{")
        models = client.get(f"{API}/models").json()["models"]
    assert [model["model_version"] for model in models] == ["2", "10"]


def test_studios_are_listed_with_their_months(client: TestClient) -> None:
    studios = client.get(f"{API}/studios").json()["studios"]
    assert [studio["studio_id"] for studio in studios] == ["chain-a-1", "chain-a-2", "chain-b-1"]
    assert studios[1] == {
        "studio_id": "chain-a-2",
        "studio_type": "Dance",
        "first_month": "2020-07-01",
        "last_month": "2021-12-01",
        "months": 18,
        "has_members": True,
    }
    assert (studios[2]["studio_type"], studios[2]["has_members"]) == (None, False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", f"{API}/predict/forward", 405), ("POST", f"{API}/health", 405)],
)
def test_a_wrong_turn_has_a_way_out(client: TestClient, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["detail"] == f"There is no {method} {path}. GET /docs lists what there is."


def test_the_documentation_loads_its_own_files_and_nothing_else(client: TestClient) -> None:
    front = client.get("/", follow_redirects=False)
    assert (front.status_code, front.headers["location"]) == (307, "/docs")
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    parts = page.headers["content-security-policy"].split(";")
    policy = dict(part.strip().partition(" ")[::2] for part in parts)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "<script>" not in page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 5
    for path in loaded:
        assert path.startswith("/")
        assert client.get(path).status_code == 200
    assert "SwaggerUIBundle({" in client.get("/docs/docs.js").text
    assert client.get("/docs/LICENSE").status_code == 422
    assert client.get("/docs/../app.py").status_code == 404


# The months of a studio: every column, null where unknown, and what follows

HISTORY = "/api/v1/studios/{}/history"


def history_of(client: TestClient, studio: str, **wanted: str) -> dict[str, Any]:
    response = client.get(HISTORY.format(studio), params=wanted)
    assert response.status_code == 200, response.text
    HistoryAnswer.model_validate_json(response.content)
    found: dict[str, Any] = response.json()
    return found


def test_every_month_has_every_column(client: TestClient, tmp_path: Path) -> None:
    history = history_of(client, "chain-b-1")
    assert history["data_version"] == current_release(tmp_path).data_version
    assert (history["studio_id"], history["studio_type"]) == ("chain-b-1", None)
    months = history["months"]
    assert [months[0]["month"], months[-1]["month"], len(months)] == ["2020-01-01", "2021-12-01", 24]
    panel = fake_panel(7)
    for column, month in enumerate(months):
        for name in NUMERIC_COLUMNS:
            value = panel.values[name][2, column]
            assert month[name] == (None if math.isnan(value) else value)


def test_what_follows_is_reckoned_or_null(client: TestClient) -> None:
    history = history_of(client, "chain-a-2")
    first, second, *_, last = history["months"]
    # A history begins with the studio.
    assert (history["studio_type"], first["month"], len(history["months"])) == ("Dance", "2020-07-01", 18)
    assert (first["revenue_per_member"], first["revenue_growth"]) == (1.0, None)
    assert (second["revenue_growth"], second["revenue_growth_year"]) == (0.0, None)
    assert last["revenue_growth_year"] == 0.0
    assert history_of(client, "chain-b-1")["months"][-1]["revenue_per_member"] is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"from": "2021-11"}, ["2021-11-01", "2021-12-01"]),
        ({"to": "2020-02-01"}, ["2020-01-01", "2020-02-01"]),
        ({"from": "2020-03-01", "to": "2020-03-01"}, ["2020-03-01"]),
        ({"from": "2022-01-01"}, []),
        ({"to": "2019-12-01"}, []),
        ({"from": "1890-01-01", "to": "1891-01-01"}, []),
    ],
)
def test_months_can_be_chosen(client: TestClient, wanted: dict[str, str], expected: list[str]) -> None:
    assert [month["month"] for month in history_of(client, "chain-a-1", **wanted)["months"]] == expected


@pytest.mark.parametrize(
    "wanted", [{"from": "2021-02", "to": "2021-01"}, {"from": "2021-02-03"}, {"to": "soon"}]
)
def test_a_wrong_choice_is_refused(client: TestClient, wanted: dict[str, str]) -> None:
    assert client.get(HISTORY.format("chain-a-1"), params=wanted).status_code == 422


def test_an_unknown_studio_is_not_found_with_a_way_out(client: TestClient) -> None:
    response = client.get(HISTORY.format("nobody"))
    assert response.status_code == 404
    assert "/api/v1/studios" in response.json()["detail"]
