"""What routes do alike: refuse what they would ignore or can't answer, and miss a release."""

from pathlib import Path
from typing import Any

import pytest
from openapi_requests import described
from starlette.testclient import TestClient

from studio_pipeline_tests.forecasting.fleets import small_fleet

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
        assert client.get(f"{API}/health").json()["status"] == "no_model"
        assert client.get(f"{API}/models").json() == {"models": []}
        for operation in described(client):
            response = client.request(**operation.request("chain-a-1"))
            if response.status_code == 503:
                refused.add((operation.method.upper(), operation.path))
                assert "Nothing is published in STUDIO_HOME yet." in response.json()["detail"]
                assert "studio run" in response.json()["detail"]
                assert str(tmp_path) not in response.text
    assert refused == NEED_A_RELEASE


FORWARD, BATCH, INVERSE = f"{API}/predict/forward", f"{API}/predict/forward/batch", f"{API}/predict/inverse"
INSIGHTS, SCENARIOS, COMPARE = f"{API}/insights", f"{API}/scenarios", f"{API}/scenarios/compare"

ONE = {"studio_id": "chain-a-1"}
SOUND: dict[str, dict[str, Any]] = {
    BATCH: {"requests": [ONE]},
    INVERSE: {**ONE, "target_revenue": 9000.0},
    INSIGHTS: ONE,
    SCENARIOS: {"name": "n", "request": ONE},
    COMPARE: {"scenario_ids": ["a", "b"]},
}
"""Bodies that are refused for what is changed in them alone; `test_body_refusals` has the forward route."""


@pytest.mark.parametrize(
    ("path", "change", "said"),
    [
        (BATCH, {"requests": {}}, "requests"),
        (BATCH, {"requests": [ONE] * 1001}, "requests"),
        (BATCH, {"aggregate": "yes"}, "aggregate"),
        (BATCH, {"sum": True}, "sum"),
        (BATCH, {"interval_level": 1.0}, "interval_level"),
        (BATCH, {"interval_level": 0}, "interval_level"),
        (INVERSE, {"target_revenue": 0}, "target_revenue"),
        (INVERSE, {"target_months": 0}, "target_months"),
        (INVERSE, {"target_months": 13}, "target_months"),
        (INVERSE, {"target_kind": "year"}, "target_kind"),
        (INVERSE, {"current_state": {"colour": 1}}, "colour"),
        (INVERSE, {"current_state": {"retention_rate": 1.2}}, "retention_rate"),
        (INVERSE, {"constraints": {"max_ticket_increase": -1}}, "max_ticket_increase"),
        (INVERSE, {"constraints": {"max_retention_increase": 2}}, "max_retention_increase"),
        (INVERSE, {"constraints": {"frozen_levers": ["colour"]}}, "frozen_levers"),
        (INVERSE, {"constraints": {"lever_costs": {"colour": 1}}}, "lever_costs"),
        (INVERSE, {"constraints": {"lever_costs": {"upsell_rate": -1}}}, "upsell_rate"),
        (INVERSE, {"constraints": None}, "constraints"),
        (INSIGHTS, {"projection_months": 13}, "projection_months"),
        (INSIGHTS, {"projection_months": 0}, "projection_months"),
        (INSIGHTS, {"base_month": "2024-12-05"}, "base_month"),
        (SCENARIOS, {"request": None}, "either `request` or `scenario_id`"),
        (SCENARIOS, {"scenario_id": "x"}, "either `request` or `scenario_id`"),
        (SCENARIOS, {"name": None}, "name"),
        (SCENARIOS, {"name": "  "}, "name"),
        (SCENARIOS, {"name": "a\0b"}, "name"),
        (SCENARIOS, {"name": "n" * 201}, "name"),
        (SCENARIOS, {"request": {**ONE, "levers": {"price": 1}}}, "levers"),
        (SCENARIOS, {"colour": "red"}, "colour"),
        (COMPARE, {"scenario_ids": ["a"]}, "scenario_ids"),
        (COMPARE, {"scenario_ids": ["a", "a"]}, "Name each scenario once."),
        (COMPARE, {"scenario_ids": [str(number) for number in range(11)]}, "scenario_ids"),
        (COMPARE, {"interval_level": 1}, "interval_level"),
        (COMPARE, {"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, path: str, change: dict[str, Any], said: str) -> None:
    response = client.post(path, json=SOUND[path] | change)
    assert response.status_code == 422
    problem = response.json()["detail"][0]
    assert said in problem["loc"] or said in problem["msg"]


def test_a_field_that_is_needed_is_named_and_a_list_is_no_body(client: TestClient) -> None:
    for path, body, said in (
        (BATCH, {}, "requests"),
        (BATCH, [], "body"),
        (SCENARIOS, {"request": ONE}, "name"),
    ):
        response = client.post(path, json=body)
        assert (response.status_code, said in response.json()["detail"][0]["loc"]) == (422, True)


STUDIO, GAPS, WITHOUT_CLASSES, OF_REVENUE_ALONE = (f"studio-{number:05d}" for number in (1, 2, 5, 7))


@pytest.mark.parametrize(
    ("path", "change", "status", "said"),
    [
        (FORWARD, {"studio_id": "nobody"}, 404, "all eight levers"),
        (FORWARD, {"studio_id": "nobody", "levers": {"retention_rate": 0.93}}, 404, "all eight levers"),
        (FORWARD, {"base_month": "2025-01-01"}, 422, "2024-12"),
        (FORWARD, {"levers": {"avg_ticket_price": 1e6}}, 422, "avg_ticket_price"),
        (FORWARD, {"lever_plan": [{"from_month": 4, "levers": {}}]}, 422, "months 1 to 3"),
        (INVERSE, {"base_month": "1999-01-01"}, 422, "Its months are"),
        (INVERSE, {"current_state": {"avg_ticket_price": 1e6}}, 422, "current_state: avg_ticket_price"),
        (INVERSE, {"studio_id": OF_REVENUE_ALONE}, 422, "no total_members"),
        (INVERSE, {"studio_id": "nobody"}, 404, "all eight"),
        (
            INVERSE,
            {"studio_id": WITHOUT_CLASSES, "current_state": {"total_classes_held": 90}},
            422,
            "_classes_",
        ),
        (INSIGHTS, {"studio_id": "nobody"}, 404, "nobody"),
        (
            INSIGHTS,
            {"studio_id": GAPS, "base_month": str(small_fleet().panel.months[12])},
            422,
            "Its months are",
        ),
        (SCENARIOS, {"request": {"studio_id": STUDIO, "base_month": "2025-01"}}, 422, "Its months are"),
        (SCENARIOS, {"request": {"studio_id": "nobody"}}, 404, "all eight levers"),
    ],
)
def test_what_the_data_don_t_bear_is_refused(
    real_client: TestClient, path: str, change: dict[str, Any], status: int, said: str
) -> None:
    sound = SOUND.get(path, {}) | ({} if path == SCENARIOS else {"studio_id": STUDIO})
    response = real_client.post(path, json=sound | change)
    assert response.status_code == status
    assert said in response.json()["detail"]
