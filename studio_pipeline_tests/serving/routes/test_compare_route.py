"""`POST /scenarios/compare` over a real, small model."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from serving.schemas.scenarios import ComparisonAnswer
from studio_pipeline_tests.forecasting.fleets import small_fleet

FORWARD, SCENARIOS, COMPARE = "/api/v1/predict/forward", "/api/v1/scenarios", "/api/v1/scenarios/compare"
STUDIO, *OTHERS = (f"studio-{number:05d}" for number in (1, 5, 8, 9))
"""Studios whose members and last months are known."""

PRICE = float(small_fleet().panel.values["avg_ticket_price"][0, -1])


@pytest.fixture(scope="module")
def client(real_client_of: Any) -> Iterator[TestClient]:
    with real_client_of(api_keys=f"all,one:{STUDIO}") as client:
        client.headers["X-API-Key"] = "all"
        yield client


def save(client: TestClient, name: str, **request: object) -> str:
    response = client.post(SCENARIOS, json={"name": name, "request": request})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def compare(client: TestClient, ids: list[str], **fields: object) -> dict[str, Any]:
    response = client.post(COMPARE, json={"scenario_ids": ids, **fields})
    assert response.status_code == 200, response.text
    ComparisonAnswer.model_validate_json(response.content)
    return dict(response.json())


def test_a_price_rise_beside_the_status_quo_says_what_the_forward_answer_says(client: TestClient) -> None:
    asked = {"studio_id": STUDIO, "levers": {"avg_ticket_price": 1.05 * PRICE}, "compare_to_status_quo": True}
    free, raised = save(client, "As it is", studio_id=STUDIO), save(client, "Price up", **asked)
    forward = client.post(FORWARD, json=asked).json()
    compared = compare(client, [free, raised])
    one, other = compared["scenarios"]
    assert (one["name"], other["name"]) == ("As it is", "Price up")
    revenues = [month["revenue"] for month in forward["predictions"].values()]
    assert [month["revenue"] for month in other["months"]] == pytest.approx(revenues)
    assert other["total_difference"] == pytest.approx(forward["status_quo"]["difference"])
    assert other["total_difference_interval"] == pytest.approx(forward["status_quo"]["difference_interval"])
    chances = {(chance["scenario_id"], chance["other_scenario_id"]): chance for chance in compared["chances"]}
    assert chances[free, raised]["chance"] + chances[raised, free]["chance"] == pytest.approx(1)
    assert compared["warnings"] == []
    for version in ("model_version", "data_version"):
        assert compared[version] == forward[version]


def test_ten_of_several_studios_are_compared_at_the_level_asked_for(client: TestClient) -> None:
    studios = [STUDIO, *OTHERS] * 3
    ids = [save(client, f"Number {place}", studio_id=studios[place]) for place in range(10)]
    compared = compare(client, ids, interval_level=0.5)
    assert compared["interval_level"] == 0.5
    assert [scenario["scenario_id"] for scenario in compared["scenarios"]] == ids
    assert len(compared["chances"]) == 90


def test_a_scenario_of_another_release_is_named(client: TestClient) -> None:
    services = client.app.state.services
    now = services.scenarios.find(save(client, "Now", studio_id=STUDIO))
    then = services.scenarios.save("Then", now.request, {**now.answer, "scenario_id": str(uuid4())}, 7)
    (warning,) = compare(client, [now.id, then.id])["warnings"]
    assert warning.startswith("'Then' was saved from release 7; here it is run on release 1")


def test_scenarios_without_a_month_in_common_are_refused(client: TestClient) -> None:
    asked = {"studio_id": STUDIO, "projection_months": 1}
    earlier = str(small_fleet().panel.months[-6])
    ids = [save(client, "Then", base_month=earlier, **asked), save(client, "Now", **asked)]
    response = client.post(COMPARE, json={"scenario_ids": ids})
    assert response.status_code == 422
    assert "share no month" in response.json()["detail"]


def test_a_scenario_of_another_s_studio_is_not_there(client: TestClient) -> None:
    mine, theirs = (save(client, "A name", studio_id=studio) for studio in (STUDIO, OTHERS[0]))
    for other in (theirs, str(uuid4())):
        body = {"scenario_ids": [mine, other]}
        response = client.post(COMPARE, json=body, headers={"X-API-Key": "one"})
        assert response.status_code == 404
        assert response.json()["detail"].startswith(f"There is no saved scenario '{other}'.")
