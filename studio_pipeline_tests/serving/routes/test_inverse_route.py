"""`POST /predict/inverse` through the real application, over a real, small model."""

import asyncio
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from small_model import ALL_LEVERS
from starlette.testclient import TestClient

from serving.answers.inverse import PlannerPool
from serving.schemas.inverse import Constraints, InverseAnswer
from studio_pipeline.errors import BusyError, SettingsError
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.planning.configuration import MovementLimits

INVERSE, FORWARD = "/api/v1/predict/inverse", "/api/v1/predict/forward"
STUDIO = "studio-00001"


@pytest.fixture(scope="module")
def target(real_client: TestClient) -> float:
    """Five per cent more than with everything as it is."""
    answer = real_client.post(INVERSE, json={"studio_id": STUDIO, "target_revenue": 1.0, "target_months": 4})
    return round(1.05 * float(answer.json()["present_revenue"]), 2)


@pytest.fixture(scope="module")
def body(target: float) -> dict[str, Any]:
    return {"studio_id": STUDIO, "target_revenue": target, "target_months": 4}


def test_the_whole_question_of_the_contract_is_answered(real_client: TestClient, target: float) -> None:
    asked = {
        "studio_id": STUDIO,
        "base_month": "2024-12-01",
        "target_revenue": target,
        "target_months": 4,
        "target_kind": "month",
        "current_state": {"retention_rate": 0.93, "avg_ticket_price": 125.0},
        "constraints": {
            "max_retention_increase": 0.05,
            "max_ticket_increase": 20.0,
            "max_new_members_increase": 10,
            "prioritize_low_cost_levers": True,
            "frozen_levers": ["total_classes_held"],
            "lever_costs": {"avg_ticket_price": 1.0},
        },
    }
    response = real_client.post(INVERSE, json=asked)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert list(answer) == [*InverseAnswer.model_fields]
    InverseAnswer.model_validate_json(response.content)
    assert UUID(answer["optimization_id"]).version == 7
    assert (answer["base_month"], answer["model_version"]) == ("2024-12-01", "1")
    assert answer["target_revenue"] == target
    assert answer["feasible"] is True
    assert answer["achievement_rate"] == pytest.approx(answer["achievable_revenue"] / target)
    assert list(answer["recommended_levers"]) == list(LEVER_BOUNDS)
    assert "total_classes_held" not in answer["lever_changes"]
    for lever, change in answer["lever_changes"].items():
        assert change["recommended"] == answer["recommended_levers"][lever]
        rise = change["recommended"] / change["current"] - 1
        assert change["change_pct"] == pytest.approx(100 * rise)
    assert answer["action_plan"]
    assert all(1 <= step["from_month"] <= 4 for step in answer["lever_plan"])
    assert 0 < answer["confidence_score"] < 1
    assert answer["plan_cost"] == pytest.approx(sum(c["cost"] for c in answer["lever_changes"].values()))


def test_a_forward_call_with_the_recommended_levers_says_the_same_to_the_cent(
    real_client: TestClient, body: dict[str, Any]
) -> None:
    def said(kind: str, **given: object) -> float:
        asked = {"studio_id": STUDIO, "projection_months": 4, **given}
        answer = real_client.post(FORWARD, json=asked).json()
        month = answer["predictions"]["month_4"]["revenue"]
        return round(month if kind == "month" else answer["total_projected_revenue"], 2)

    for kind, months in (("month", 1), ("total", 4)):
        asked = {**body, "target_kind": kind, "target_revenue": body["target_revenue"] * months}
        answer = real_client.post(INVERSE, json=asked).json()
        levers = answer["recommended_levers"]
        assert said(kind, levers=levers) == answer["achievable_revenue"]
        present = {lever: change["current"] for lever, change in answer["lever_changes"].items()}
        dated = {"levers": {**levers, **present}, "lever_plan": answer["lever_plan"]}
        assert said(kind, **dated) == answer["dated_revenue"]


def test_a_target_out_of_reach_is_told(real_client: TestClient, body: dict[str, Any]) -> None:
    answer = real_client.post(INVERSE, json={**body, "target_revenue": 9e6}).json()
    assert answer["feasible"] is False
    assert answer["achievable_revenue"] < 9e6
    assert answer["binding_limits"]
    assert "can't be reached" in answer["warnings"][0]


def test_the_defaults_of_the_document_are_those_of_the_configuration() -> None:
    shown = {name: field.default for name, field in Constraints.model_fields.items()}
    assert {name: shown[name] for name in MovementLimits.model_fields} == MovementLimits().model_dump()


def test_limits_left_out_are_the_configuration_s_and_null_sets_none(
    real_client_of: Any, tmp_path: Path, body: dict[str, Any]
) -> None:
    file = tmp_path / "studio.yaml"
    file.write_text("planning: {limits: {max_upsell_increase: 0.01}}\n")
    only_upsell = [lever for lever in LEVER_BOUNDS if lever not in ("upsell_rate", "current_member_count")]
    asked = {**body, "target_revenue": 9e6}
    with real_client_of(config=file) as client:
        changes = []
        # Kept answers must not stand in for one another, nor for a limit that is given as documented.
        for stated in ({}, {"max_upsell_increase": 0.05}, {"max_upsell_increase": None}):
            constraints = {"frozen_levers": only_upsell, **stated}
            answer = client.post(INVERSE, json={**asked, "constraints": constraints}).json()
            change = answer["lever_changes"]["upsell_rate"]
            changes.append(change["recommended"] - change["current"])
    assert changes[:2] == pytest.approx([0.01, 0.05])
    assert changes[2] > 0.1


def test_a_new_studio_needs_all_eight(real_client: TestClient, body: dict[str, Any]) -> None:
    asked = {**body, "studio_id": "new", "current_state": ALL_LEVERS, "studio_type": "Yoga"}
    answer = real_client.post(INVERSE, json={**asked, "target_revenue": 45_000.0})
    assert answer.status_code == 200
    assert any("no history" in warning for warning in answer.json()["warnings"])
    some = {**asked, "current_state": {"retention_rate": 0.93}}
    refused = real_client.post(INVERSE, json=some)
    assert refused.status_code == 404
    assert "all eight" in refused.json()["detail"]


def test_too_many_plans_at_once_are_asked_to_come_again(client: TestClient) -> None:
    async def refuse(make: object) -> None:
        raise BusyError("32 plans are in the making already.", "Ask again in a few seconds.")

    client.app.state.services.planner.run = refuse
    response = client.post(INVERSE, json={"studio_id": "chain-a-1", "target_revenue": 1.0})
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert "Ask again" in response.json()["detail"]


def test_the_pool_makes_one_at_a_time_and_refuses_what_can_t_wait() -> None:
    go, running, most = threading.Event(), 0, 0

    def make() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        go.wait(5)
        running -= 1
        return 7

    async def ask() -> list[int | BaseException]:
        pool = PlannerPool(most_waiting=2)
        asked = [asyncio.ensure_future(pool.run(make)) for _ in range(3)]
        await asyncio.sleep(0.05)
        go.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert await pool.run(make) == 7
        pool.close()
        return answers

    answers = asyncio.run(ask())
    assert answers[:2] == [7, 7]
    assert isinstance(answers[2], BusyError)
    assert most == 1


def test_a_wrong_configuration_stops_the_service(real_client_of: Any, tmp_path: Path) -> None:
    file = tmp_path / "studio.yaml"
    file.write_text("planning: {limits: {max_upsell_increase: 3}}\n")
    refused = pytest.raises(SettingsError, match=r"planning\.limits\.max_upsell_increase")
    with refused, real_client_of(config=file):
        pass
