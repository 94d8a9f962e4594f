from typing import Any
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
    assert set(EVERYTHING) == set(ForwardRequest.model_fields)
    response = client.post(FORWARD, json=EVERYTHING)
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == [*ForwardAnswer.model_fields]
    ForwardAnswer.model_validate_json(response.content)
    assert UUID(answer["scenario_id"]).version == 7
    assert (answer["model_version"], answer["base_month"]) == ("1", "2021-11-01")
    assert answer["history_months"] == 24
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
    assert (answer["interval_level"], answer["growth_rate"]) == (0.9, 0)
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


@pytest.mark.parametrize("levers", [{}, {"levers": {}}, {"levers": {"retention_rate": None}}])
def test_a_bare_question_has_the_defaults_and_all_fields_but_one(
    client: TestClient, levers: dict[str, Any]
) -> None:
    answer = client.post(FORWARD, json={"studio_id": "chain-b-1", **levers}).json()
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
    assert answer["lever_effects"] == {}


def test_how_exactly_levers_are_carried_out_reaches_the_model() -> None:
    asked = ForwardRequest.model_validate({"studio_id": "a", "execution_uncertainty": 0.1})
    assert asked.to_query().execution_uncertainty == 0.1
    assert ForwardRequest.model_validate({"studio_id": "a"}).to_query().execution_uncertainty == 0


def test_levels_without_intervals_are_a_warning_where_nothing_uses_them(client: TestClient) -> None:
    def warned(**fields: object) -> bool:
        warnings = client.post(FORWARD, json={"studio_id": "chain-a-1", **fields}).json()["warnings"]
        return any("include_confidence_intervals" in warning for warning in warnings)

    assert warned(interval_levels=[0.8])
    assert not warned()
    assert not warned(interval_levels=[0.8], include_confidence_intervals=True)
    assert not warned(interval_levels=[0.8], compare_to_status_quo=True)


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


def test_a_bug_is_a_500_without_a_stack_trace(client: TestClient) -> None:
    response = client.post(FORWARD, json={"studio_id": "bug"})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "log has the details" in response.json()["detail"]
