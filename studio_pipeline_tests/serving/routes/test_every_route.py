"""What all routes do alike, whichever there are: refuse what they would ignore, and miss a release."""

from pathlib import Path

from openapi_requests import Operation, operations
from starlette.testclient import TestClient

API = "/api/v1"
NOT_STRICT = {f"{API}/health", "/metrics"}
"""Whoever watches a service may add what it likes."""

NEED_A_RELEASE = {
    ("GET", f"{API}/models/current"),
    ("GET", f"{API}/studios"),
    ("GET", f"{API}/studios/{{studio_id}}/history"),
    ("POST", f"{API}/insights"),
    ("POST", f"{API}/predict/forward"),
    ("POST", f"{API}/predict/forward/batch"),
    ("POST", f"{API}/predict/inverse"),
    ("POST", f"{API}/scenarios"),
}


def described(client: TestClient) -> list[Operation]:
    return list(operations(client.get("/openapi.json").json()))


def test_an_unknown_parameter_is_refused_with_those_that_are_taken(client: TestClient) -> None:
    strict = [operation for operation in described(client) if operation.path not in NOT_STRICT]
    assert len(strict) > 10
    for operation in strict:
        request = operation.request("chain-a-1")
        response = client.request(**request | {"params": {**request["params"], "limt": 3}})
        assert response.status_code == 422, operation
        (problem,) = response.json()["detail"]
        assert (problem["loc"], problem["type"]) == (["query", "limt"], "unknown_parameter")
        documented = operation.described.get("parameters", ())
        takes = sorted(parameter["name"] for parameter in documented if parameter["in"] == "query")
        assert f"takes {', '.join(takes) or 'none'}" in problem["msg"]


def test_a_parameter_that_stands_twice_is_refused(client: TestClient) -> None:
    response = client.get(f"{API}/scenarios?limit=3&limit=4")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "limit"]


def test_without_a_release_a_route_that_needs_one_says_what_to_do(client_of, tmp_path: Path) -> None:
    refused = set()
    with client_of(empty=True) as client:
        for operation in described(client):
            response = client.request(**operation.request("chain-a-1"))
            if response.status_code == 503:
                refused.add((operation.method.upper(), operation.path))
                assert "Nothing is published in STUDIO_HOME yet." in response.json()["detail"]
                assert "studio run" in response.json()["detail"]
                assert str(tmp_path) not in response.text
    assert refused == NEED_A_RELEASE
