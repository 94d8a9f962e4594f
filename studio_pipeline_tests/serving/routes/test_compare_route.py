"""`POST /scenarios/compare` over a real, small model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from small_model import publish_small_model
from starlette.testclient import TestClient

from serving.app import create_app
from serving.schemas.scenarios import ComparisonAnswer
from studio_pipeline.settings import read_settings

FORWARD, SCENARIOS, COMPARE = "/api/v1/predict/forward", "/api/v1/scenarios", "/api/v1/scenarios/compare"
KEYS = "all,one:{}"
ALL = {"X-API-Key": "all"}


@pytest.fixture(scope="module")
def studios(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A home with a release, and its studios with members."""
    home = tmp_path_factory.mktemp("home")
    publish_small_model(home)
    with TestClient(create_app(read_settings(None, home=home)), client=("127.0.0.1", 1)) as client:
        entries = client.get("/api/v1/studios").json()["studios"]
    last = max(entry["last_month"] for entry in entries)
    return home, [
        entry["studio_id"] for entry in entries if entry["has_members"] and entry["last_month"] == last
    ]


@pytest.fixture(scope="module")
def client(studios: tuple[Path, list[str]]) -> Iterator[TestClient]:
    home, names = studios
    settings = read_settings(None, home=home, api_keys=KEYS.format(names[0]))
    with TestClient(create_app(settings), client=("127.0.0.1", 1), headers=ALL) as client:
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


def price_of(client: TestClient, studio: str) -> float:
    history = client.get(f"/api/v1/studios/{studio}/history").json()["months"]
    return float(history[-1]["avg_ticket_price"])


def test_a_price_rise_beside_the_status_quo_says_what_the_forward_answer_says(
    client: TestClient, studios: tuple[Path, list[str]]
) -> None:
    studio = studios[1][0]
    levers = {"avg_ticket_price": 1.05 * price_of(client, studio)}
    asked = {"studio_id": studio, "levers": levers, "compare_to_status_quo": True}
    free, raised = save(client, "As it is", studio_id=studio), save(client, "Price up", **asked)
    forward = client.post(FORWARD, json=asked).json()
    compared = compare(client, [free, raised])
    one, other = compared["scenarios"]
    assert (one["name"], other["name"]) == ("As it is", "Price up")
    assert [month["revenue"] for month in other["months"]] == pytest.approx(
        [month["revenue"] for month in forward["predictions"].values()]
    )
    assert other["total_difference"] == pytest.approx(forward["status_quo"]["difference"])
    assert other["total_difference_interval"] == pytest.approx(forward["status_quo"]["difference_interval"])
    chances = {(chance["scenario_id"], chance["other_scenario_id"]): chance for chance in compared["chances"]}
    assert chances[free, raised]["chance"] + chances[raised, free]["chance"] == pytest.approx(1)
    assert compared["warnings"] == []
    assert (compared["model_version"], compared["data_version"]) == (
        forward["model_version"],
        forward["data_version"],
    )


def test_ten_of_several_studios_are_compared_at_the_level_asked_for(
    client: TestClient, studios: tuple[Path, list[str]]
) -> None:
    ids = [save(client, f"Number {place}", studio_id=studios[1][place % 4]) for place in range(10)]
    compared = compare(client, ids, interval_level=0.5)
    assert compared["interval_level"] == 0.5
    assert [scenario["scenario_id"] for scenario in compared["scenarios"]] == ids
    assert len(compared["chances"]) == 90


def test_a_scenario_of_another_release_is_named(client: TestClient, studios: tuple[Path, list[str]]) -> None:
    services = client.app.state.services
    now = services.scenarios.find(save(client, "Now", studio_id=studios[1][0]))
    then = services.scenarios.save("Then", now.request, {**now.answer, "scenario_id": str(uuid4())}, 7)
    (warning,) = compare(client, [now.id, then.id])["warnings"]
    assert warning.startswith("'Then' was saved from release 7; here it is run on release 1")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scenario_ids": []},
        {"scenario_ids": ["a"]},
        {"scenario_ids": ["a", "a"]},
        {"scenario_ids": [str(number) for number in range(11)]},
        {"scenario_ids": ["a", "b"], "interval_level": 1},
        {"scenario_ids": ["a", "b"], "colour": "red"},
    ],
)
def test_what_is_no_comparison_is_refused(client: TestClient, body: dict[str, object]) -> None:
    assert client.post(COMPARE, json=body).status_code == 422


def test_scenarios_without_a_month_in_common_are_refused(
    client: TestClient, studios: tuple[Path, list[str]]
) -> None:
    studio = studios[1][0]
    history = client.get(f"/api/v1/studios/{studio}/history").json()["months"]
    ids = [
        save(client, "Then", studio_id=studio, base_month=history[-6]["month"], projection_months=1),
        save(client, "Now", studio_id=studio, projection_months=1),
    ]
    response = client.post(COMPARE, json={"scenario_ids": ids})
    assert response.status_code == 422
    assert "share no month" in response.json()["detail"]


def test_a_scenario_of_another_s_studio_is_not_there(
    client: TestClient, studios: tuple[Path, list[str]]
) -> None:
    mine, theirs = (save(client, "A name", studio_id=studio) for studio in studios[1][:2])
    for other in (theirs, str(uuid4())):
        body = {"scenario_ids": [mine, other]}
        response = client.post(COMPARE, json=body, headers={"X-API-Key": "one"})
        assert response.status_code == 404
        assert response.json()["detail"].startswith(f"There is no saved scenario '{other}'.")
