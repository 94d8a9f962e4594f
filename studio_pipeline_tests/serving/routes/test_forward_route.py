import json
from pathlib import Path
from uuid import UUID

import pytest
from small_model import ALL_LEVERS
from starlette.testclient import TestClient

from serving.schemas.forward import ForwardAnswer, ForwardRequest

FORWARD = "/api/v1/predict/forward"

EVERYTHING = {
    "studio_id": "chain-a-1",
    "base_month": "2021-11-01",
    "projection_months": 3,
    "include_confidence_intervals": True,
    "interval_levels": [0.9, 0.5],
    "levers": ALL_LEVERS,
    "lever_plan": [{"from_month": 2, "levers": {"avg_ticket_price": 159.0}}],
    "compare_to_status_quo": True,
    "execution_uncertainty": 0.1,
    "studio_type": "Yoga",
    "class_capacity": 20,
}


def test_the_whole_question_of_the_contract_is_answered(client: TestClient) -> None:
    response = client.post(FORWARD, json=EVERYTHING)
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == [*ForwardAnswer.model_fields]
    ForwardAnswer.model_validate_json(response.content)
    assert UUID(answer["scenario_id"]).version == 7
    assert (answer["model_version"], answer["base_month"], answer["history_months"]) == (
        "1",
        "2021-11-01",
        24,
    )
    assert list(answer["predictions"]) == ["month_1", "month_2", "month_3"]
    assert answer["predictions"]["month_2"] == {
        "revenue": 1007.0,
        "member_count": 250.0,
        "retention_rate": 0.9,
        "confidence_interval": [1002.0, 1012.0],
        "intervals": {"0.9": [1002.0, 1012.0], "0.5": [1002.0, 1012.0]},
        "confidence_score": 0.8,
    }
    assert answer["total_projected_revenue"] == 3021.0
    assert answer["total_confidence_interval"] == [3012.0, 3030.0]
    assert answer["interval_level"] == 0.9
    assert answer["growth_rate"] == 0
    assert answer["lever_effects"] == {
        "avg_ticket_price": {
            "source": "data",
            "effect": -0.9,
            "standard_error": 0.1,
            "shares": {"data": 1.0, "pooled": 0.0, "prior": 0.0},
        }
    }
    assert answer["status_quo"] == {
        "total_projected_revenue": 1.0,
        "difference": 2.0,
        "difference_interval": [1.0, 3.0],
    }
    assert answer["warnings"] == ["A warning."]


def test_a_bare_question_has_the_defaults_and_every_field_but_the_status_quo(client: TestClient) -> None:
    answer = client.post(FORWARD, json={"studio_id": "chain-b-1"}).json()
    assert set(ForwardAnswer.model_fields) - set(answer) == {"status_quo"}
    assert answer["base_month"] == "2021-12-01"
    assert len(answer["predictions"]) == 3
    assert answer["predictions"]["month_1"] == {
        "revenue": 1007.0,
        "member_count": None,
        "retention_rate": None,
        "confidence_interval": None,
        "intervals": {},
        "confidence_score": 0.8,
    }
    assert answer["total_confidence_interval"] is None


def test_two_answers_have_two_scenario_ids(client: TestClient) -> None:
    ids = {client.post(FORWARD, json={"studio_id": "chain-a-1"}).json()["scenario_id"] for _ in range(3)}
    assert len(ids) == 3


def test_null_and_absent_levers_are_free(client: TestClient) -> None:
    for levers in [{"retention_rate": None}, {}]:
        answer = client.post(FORWARD, json={"studio_id": "chain-a-1", "levers": levers})
        assert answer.json()["lever_effects"] == {}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"levers": {"price": 3}}, "price"),
        ({"levers": {"retention_rate": "0.9"}}, "retention_rate"),
        ({"levers": {"retention_rate": True}}, "retention_rate"),
        ({"levers": {"retention_rate": 93}}, "retention_rate"),
        ({"levers": {"avg_ticket_price": -1}}, "avg_ticket_price"),
        ({"levers": []}, "levers"),
        ({"levers": None}, "levers"),
        ({"studio_id": None}, "studio_id"),
        ({"studio_id": ""}, "studio_id"),
        ({"studio_id": 7}, "studio_id"),
        ({"studio_id": "s" * 201}, "studio_id"),
        ({"projection_months": 0}, "projection_months"),
        ({"projection_months": 13}, "projection_months"),
        ({"projection_months": "3"}, "projection_months"),
        ({"projection_months": 2.5}, "projection_months"),
        ({"base_month": "2021-12-15"}, "base_month"),
        ({"base_month": "2021-13-01"}, "base_month"),
        ({"base_month": "0000-01-01"}, "base_month"),
        ({"base_month": "December"}, "base_month"),
        ({"base_month": 202112}, "base_month"),
        ({"execution_uncertainty": 0.51}, "execution_uncertainty"),
        ({"execution_uncertainty": -0.1}, "execution_uncertainty"),
        ({"interval_levels": []}, "interval_levels"),
        ({"interval_levels": [1.0]}, "interval_levels"),
        ({"interval_levels": [0]}, "interval_levels"),
        ({"interval_levels": [0.9, 0.9]}, "interval_levels"),
        ({"interval_levels": [0.9, 0.90000001]}, "interval_levels"),
        ({"interval_levels": 0.9}, "interval_levels"),
        ({"include_confidence_intervals": "yes"}, "include_confidence_intervals"),
        ({"lever_plan": [{"from_month": 13, "levers": {}}]}, "from_month"),
        ({"lever_plan": [{"from_month": 1, "levers": {"current_member_count": 80}}]}, "current_member_count"),
        ({"lever_plan": [{"levers": {}}]}, "from_month"),
        ({"class_capacity": 0}, "class_capacity"),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, change: dict[str, object], field: str) -> None:
    response = client.post(FORWARD, json={"studio_id": "chain-a-1", **change})
    assert response.status_code == 422
    problems = response.json()["detail"]
    assert field in problems[0]["loc"]
    assert set(problems[0]) == {"loc", "msg", "type"}


@pytest.mark.parametrize(
    ("change", "starts", "listed"),
    [
        ({"levers": {"price": 3}}, "This is none of the levers, which are retention_rate, ", True),
        (
            {"lever_plan": [{"from_month": 1, "levers": {"current_member_count": 80}}]},
            "This is none of the levers of a lever_plan, which are retention_rate, ",
            False,
        ),
    ],
)
def test_an_unknown_lever_is_told_the_levers(
    client: TestClient, change: dict[str, object], starts: str, listed: bool
) -> None:
    (problem,) = client.post(FORWARD, json={"studio_id": "chain-a-1", **change}).json()["detail"]
    assert problem["msg"].startswith(starts)
    assert ("current_member_count" in problem["msg"]) is listed


def test_how_exactly_levers_are_carried_out_reaches_the_model() -> None:
    asked = ForwardRequest.model_validate({"studio_id": "a", "execution_uncertainty": 0.1})
    assert asked.to_query().execution_uncertainty == 0.1
    assert ForwardRequest.model_validate({"studio_id": "a"}).to_query().execution_uncertainty == 0


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/x-www-form-urlencoded"}])
def test_a_body_without_its_header_is_told_so(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post(FORWARD, content=b'{"studio_id": "chain-a-1"}', headers=headers)
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert problem["loc"] == ["header", "content-type"]
    assert "Content-Type: application/json" in problem["msg"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/problem+json"])
def test_a_header_that_says_json_in_other_words_is_taken(client: TestClient, kind: str) -> None:
    for body, status in ((b'{"studio_id": "chain-a-1"}', 200), (b"[]", 422)):
        response = client.post(FORWARD, content=body, headers={"Content-Type": kind})
        assert response.status_code == status
        assert "header" not in response.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"studio_id": "chain-a-1", "levers": {"avg_ticket_price": NaN}}',
        b'{"studio_id": "chain-a-1", "levers": {"avg_ticket_price": Infinity}}',
        b'{"studio_id": "chain-a-1", "levers": {"avg_ticket_price": -Infinity}}',
        b'{"studio_id": "chain-a-1", "levers": {"avg_ticket_price": 1e999}}',
        b'{"studio_id": "chain-a-1", "class_capacity": ' + b"9" * 400 + b"}",
        b'{"studio_id": "chain-a-1", "class_capacity": ' + b"9" * 5000 + b"}",
        b'{"studio_id": "\\ud800"}',
        b'{"studio_id": "chain-a-1", "\\ud800": 1}',
        b'{"studio_id": "chain-a-1"',
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"null",
        b"",
    ],
)
def test_a_body_that_is_no_question_is_refused(client: TestClient, body: bytes) -> None:
    response = client.post(FORWARD, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert "Traceback" not in response.text
    assert response.json()["detail"]


@pytest.mark.parametrize("body", [b'{"studio_id": "\xff"}', b"[" * 100_000])
def test_a_body_that_can_not_be_read_is_told_what_to_send(client: TestClient, body: bytes) -> None:
    response = client.post(FORWARD, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert "Send one JSON object in UTF-8" in response.json()["detail"]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"studio_id": "nobody"}, 404, "Give all eight levers"),
        ({"base_month": "2022-01-01"}, 422, "months up to 2021-12"),
        ({"levers": {"avg_ticket_price": 5000}}, 422, "from 50 to 500"),
        ({"lever_plan": [{"from_month": 4, "levers": {}}]}, 422, "months 1 to 3"),
    ],
)
def test_a_question_that_can_not_be_answered_says_why(
    client: TestClient, change: dict[str, object], status: int, message: str
) -> None:
    response = client.post(FORWARD, json={"studio_id": "chain-a-1", **change})
    assert response.status_code == status
    assert message in response.json()["detail"]


def test_a_bug_is_a_500_without_a_stack_trace(client: TestClient) -> None:
    response = client.post(FORWARD, json={"studio_id": "bug"})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "log has the details" in response.json()["detail"]


def test_without_a_release_the_answer_says_what_to_do(tmp_path: Path, client_of) -> None:
    with client_of() as client:
        response = client.post(FORWARD, json={"studio_id": "chain-a-1"})
        assert response.status_code == 503
        assert "Nothing is published in STUDIO_HOME yet." in response.json()["detail"]
        assert str(tmp_path) not in response.text
        assert "studio run" in response.json()["detail"]


def test_the_openapi_document_gives_every_field_and_every_status(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"][FORWARD]["post"]
    problems = {"400", "401", "403", "404", "408", "413", "415", "422", "429", "500", "503"}
    assert set(operation["responses"]) == {"200", *problems}
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "/ForwardRequest"
    )
    schemas = document["components"]["schemas"]
    assert set(schemas["ForwardRequest"]["properties"]) == set(EVERYTHING)
    assert schemas["ForwardRequest"]["additionalProperties"] is False
    assert set(schemas["Levers"]["properties"]) == set(EVERYTHING["levers"])
    assert set(schemas["ForwardAnswer"]["required"]) == set(ForwardAnswer.model_fields) - {"status_quo"}
    effect = schemas["LeverEffectAnswer"]["properties"]
    assert all(field["description"] for field in effect.values())
    assert "log odds" in effect["effect"]["description"]
    assert "HTTPValidationError" not in json.dumps(document["paths"])
