import re
from pathlib import Path

import pytest
from fake_forecaster import publish_fake
from starlette.testclient import TestClient

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


def test_without_a_release_only_forecasts_are_missing(client_of) -> None:
    with client_of() as client:
        assert client.get(f"{API}/health").json()["status"] == "no_model"
        assert client.get(f"{API}/models").json() == {"models": []}
        for path in ["models/current", "studios"]:
            response = client.get(f"{API}/{path}")
            assert response.status_code == 503
            assert "studio run" in response.json()["detail"]


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


def test_models_are_listed_with_the_one_that_answers(client_of, tmp_path: Path) -> None:
    for number in (1, 2, 10):
        publish_fake(tmp_path, number)
    with client_of() as client:
        models = client.get(f"{API}/models").json()["models"]
    assert [(model["model_version"], model["answering"]) for model in models] == [
        ("1", False),
        ("2", False),
        ("10", True),
    ]
    assert models[0]["details"]["run_id"] == "run-1"


def test_a_model_whose_manifest_can_not_be_read_is_left_out(client: TestClient, tmp_path: Path) -> None:
    publish_fake(tmp_path, 2)
    (tmp_path / "models" / "1" / "manifest.json").write_text("{")
    models = client.get(f"{API}/models").json()["models"]
    assert [model["model_version"] for model in models] == ["2"]


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


def test_the_front_page_leads_to_the_documentation(client: TestClient) -> None:
    response = client.get("/", follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (307, "/docs")


def test_the_documentation_loads_its_own_files_and_nothing_else(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.strip().partition(" ")[::2] for part in page.headers["content-security-policy"].split(";")
    )
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
