"""The OpenAPI document tells the truth of every operation, whichever there are."""

import json
from pathlib import Path

import pytest
from openapi_requests import Operation, operations
from small_model import publish_small_chains
from starlette.testclient import TestClient

from serving.guards.access import OPEN_PATHS
from serving.model_store import load_forecaster

KEYS = "all,some:chain-a-*"


def described(client: TestClient) -> list[Operation]:
    found = list(operations(client.get("/openapi.json").json()))
    assert len(found) >= 6
    return found


def test_every_operation_names_what_guards_answer(client: TestClient) -> None:
    for operation in described(client):
        statuses = set(operation.described["responses"])
        assert {"403", "500", "503"} <= statuses
        assert ("401" in statuses) is (operation.path not in OPEN_PATHS)
        assert ("429" in statuses) is (operation.path != "/api/v1/health")
        if operation.body_schema is not None:
            assert {"400", "408", "413", "415", "422"} <= statuses
        if operation.described.get("parameters"):
            assert "422" in statuses


def test_every_answer_has_its_headers_and_every_problem_its_form(client: TestClient) -> None:
    for operation in described(client):
        for status, answer in operation.described["responses"].items():
            assert "X-Request-ID" in answer["headers"]
            assert ("Retry-After" in answer["headers"]) is (status == "429") or status == "503"
            assert answer["description"]
            if int(status) >= 400:
                reference = answer["content"]["application/json"]["schema"]["$ref"]
                assert reference == "#/components/schemas/Problem"


def test_every_reference_leads_somewhere_and_nothing_of_the_framework_is_left(client: TestClient) -> None:
    text = client.get("/openapi.json").text
    schemas = json.loads(text)["components"]["schemas"]
    assert "ValidationError" not in text
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= set(schemas)


@pytest.mark.parametrize(("keys", "security"), [("", []), (KEYS, [{"key": []}])])
def test_security_is_that_of_the_settings(client_of, keys: str, security: list[object]) -> None:
    with client_of(api_keys=keys) as client:
        for operation in described(client):
            expected = [] if operation.path in OPEN_PATHS else security
            assert operation.described["security"] == expected


def test_examples_are_requests_that_are_taken(client_of, tmp_path: Path) -> None:
    publish_small_chains(tmp_path)
    with client_of(load=load_forecaster) as client:
        document = client.get("/openapi.json").json()
        for operation in operations(document):
            if operation.body_schema is None:
                continue
            schema = document["components"]["schemas"][operation.body_schema["$ref"].rsplit("/", 1)[-1]]
            assert schema.get("examples"), f"{operation} has no example"
            for example in schema["examples"]:
                response = client.request(operation.method.upper(), operation.path, json=example)
                # The studio of the example need not be one of this panel's.
                assert response.status_code in (200, 201, 404), response.text
