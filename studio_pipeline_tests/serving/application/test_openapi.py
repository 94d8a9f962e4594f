"""The OpenAPI document tells the truth of every operation, whichever there are."""

import json
from pathlib import Path

import pytest
from openapi_requests import described
from small_model import publish_small_chains
from starlette.testclient import TestClient

from serving.guards.access import OPEN_PATHS
from serving.model_store import load_forecaster
from serving.schemas.forward import ForwardAnswer, ForwardRequest
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS

KEYS = "all,some:chain-a-*"


def test_every_operation_names_what_guards_answer_with_headers_and_form(client: TestClient) -> None:
    for operation in described(client):
        answers = operation.described["responses"]
        statuses = set(answers)
        assert {"403", "500", "503"} <= statuses
        assert ("401" in statuses) is (operation.path not in OPEN_PATHS)
        assert ("429" in statuses) is (operation.path != "/api/v1/health")
        assert operation.body_schema is None or {"400", "408", "413", "415"} <= statuses
        if operation.described.get("parameters") or operation.body_schema:
            assert "422" in statuses
        for status, answer in answers.items():
            assert "X-Request-ID" in answer["headers"]
            assert ("Retry-After" in answer["headers"]) is (status == "429") or status == "503"
            assert answer["description"]
            if int(status) >= 400:
                reference = answer["content"]["application/json"]["schema"]["$ref"]
                assert reference == "#/components/schemas/Problem"


def test_requests_and_answers_are_described_field_by_field(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert set(schemas["ForwardRequest"]["properties"]) == set(ForwardRequest.model_fields)
    assert schemas["ForwardRequest"]["additionalProperties"] is False
    assert set(schemas["Levers"]["properties"]) == set(LEVER_BOUNDS)
    assert set(schemas["ForwardAnswer"]["required"]) == set(ForwardAnswer.model_fields) - {"status_quo"}
    effect = schemas["LeverEffectAnswer"]["properties"]
    assert all(field["description"] for field in effect.values())
    assert "log odds" in effect["effect"]["description"]
    requests = schemas["BatchRequest"]["properties"]["requests"]
    assert requests["items"]["$ref"] == "#/components/schemas/ForwardRequest"
    assert requests["maxItems"] == 1000


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
        for operation in [one for one in described(client) if one.body_schema]:
            schema = document["components"]["schemas"][operation.body_schema["$ref"].rsplit("/", 1)[-1]]
            assert schema.get("examples"), f"{operation} has no example"
            for example in schema["examples"]:
                response = client.request(operation.method.upper(), operation.path, json=example)
                # The studio of the example need not be one of this panel's.
                assert response.status_code in (200, 201, 404), response.text
