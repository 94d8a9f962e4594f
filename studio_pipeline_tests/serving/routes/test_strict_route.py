"""What a route would ignore is refused, and the refusal says what it takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_forecaster import load_fake, publish_fake
from processes import LOOPBACK
from starlette.testclient import TestClient

from serving.app import create_app
from studio_pipeline.settings import read_settings

FORWARD = "/api/v1/predict/forward"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    publish_fake(tmp_path, 1)
    with TestClient(create_app(read_settings(None, home=tmp_path), load_fake), client=LOOPBACK) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [
        ("GET", "/api/v1/scenarios?limt=3", "cursor, limit, studio_id"),
        ("GET", "/api/v1/studios?limt=3", "none"),
        ("GET", "/api/v1/models?limt=3", "none"),
        ("GET", "/api/v1/models/current?limt=3", "none"),
        ("DELETE", "/api/v1/studios/chain-a-1/records?limt=3", "none"),
        ("POST", FORWARD + "?limt=3", "none"),
    ],
)
def test_an_unknown_parameter_is_refused(client: TestClient, method: str, path: str, takes: str) -> None:
    body = {"studio_id": "chain-a-1"} if method == "POST" else None
    response = client.request(method, path, json=body)
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert problem["loc"] == ["query", "limt"]
    assert problem["type"] == "unknown_parameter"
    assert f"takes {takes}" in problem["msg"]
    assert client.request(method, path.partition("?")[0], json=body).status_code == 200


def test_an_unknown_parameter_of_a_history_is_refused(client: TestClient) -> None:
    path = "/api/v1/studios/chain-a-1/history"
    assert client.get(path, params={"form": "2020-01"}).json()["detail"][0]["loc"] == ["query", "form"]
    assert client.get(path, params={"from": "2020-01"}).status_code == 200


def test_a_parameter_that_stands_twice_is_refused(client: TestClient) -> None:
    response = client.get("/api/v1/scenarios?limit=3&limit=4")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "limit"]
    assert client.get("/api/v1/scenarios?limit=3&cursor=").status_code == 422
