"""`/scenarios` and the records of a studio: saved, listed, run again, deleted, and seen by nobody else."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fake_forecaster import publish_fake
from logged_predictions import entry
from processes import FAKE_SERVICE, service, wait_until
from sqlalchemy import select
from starlette.testclient import TestClient

from serving.schemas.scenarios import RerunAnswer, ScenarioAnswer, ScenariosAnswer
from serving.storage.database import Database
from serving.storage.schema import predictions

FORWARD = "/api/v1/predict/forward"
SCENARIOS = "/api/v1/scenarios"
REQUEST = {
    "studio_id": "chain-a-1",
    "base_month": "2021-11-01",
    "levers": {"avg_ticket_price": 150},
    "lever_plan": [{"from_month": 2, "levers": {"avg_ticket_price": 159.0}}],
}


@pytest.fixture
def client(client_of: Any, database_url: str) -> Iterator[TestClient]:
    with client_of(database_url=database_url) as client:
        yield client


def save(client: TestClient, headers: dict[str, str] | None = None, **body: object) -> dict[str, Any]:
    body = {"name": "A name", "request": {"studio_id": "chain-a-1"}} | body
    response = client.post(SCENARIOS, json=body, headers=headers)
    assert response.status_code == 201, response.text
    return dict(response.json())


def test_a_request_is_answered_and_saved(client: TestClient) -> None:
    response = client.post(SCENARIOS, json={"name": " Price to 150 ", "request": REQUEST})
    assert response.status_code == 201
    ScenarioAnswer.model_validate_json(response.content)
    saved = response.json()
    assert list(saved) == list(ScenarioAnswer.model_fields)
    assert saved["name"] == "Price to 150"
    assert saved["request"] == REQUEST
    assert saved["id"] == saved["answer"]["scenario_id"]
    assert saved["answer"]["total_projected_revenue"] == 3021.0
    assert (saved["studio_id"], saved["base_month"], saved["release"]) == ("chain-a-1", "2021-11-01", 1)
    for version in ("model_version", "data_version"):
        assert saved[version] == saved["answer"][version]
    assert client.get(f"{SCENARIOS}/{saved['id']}").json() == saved


def test_an_earlier_answer_is_saved_as_it_was(client: TestClient) -> None:
    answer = client.post(FORWARD, json=REQUEST).json()
    saved = save(client, name="One", request=None, scenario_id=answer["scenario_id"])
    assert saved["answer"] == answer
    assert saved["request"] == REQUEST
    assert saved["id"] == answer["scenario_id"]
    again = save(client, name="Two", request=None, scenario_id=answer["scenario_id"])
    assert again["id"] != saved["id"]
    assert again["answer"] == answer
    assert client.get(f"{SCENARIOS}/{saved['id']}").json()["name"] == "One"


def test_what_is_not_there_is_404(client: TestClient) -> None:
    unknown = str(uuid4())
    answers = [
        client.get(f"{SCENARIOS}/{unknown}"),
        client.delete(f"{SCENARIOS}/{unknown}"),
        client.post(f"{SCENARIOS}/{unknown}/rerun"),
        client.post(SCENARIOS, json={"name": "n", "scenario_id": unknown}),
        client.post(SCENARIOS, json={"name": "n", "request": {"studio_id": "nobody"}}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert "GET /api/v1/scenarios lists" in answers[0].json()["detail"]


def test_a_text_that_no_database_keeps_is_refused(client: TestClient) -> None:
    for answer in (
        client.get(f"{SCENARIOS}/nul%00"),
        client.get(SCENARIOS, params={"studio_id": "nul\0"}),
        client.delete("/api/v1/studios/nul%00/records"),
    ):
        assert answer.status_code in (200, 404, 422), answer.text


def test_pages_are_newest_first_and_end(client: TestClient) -> None:
    ids = [save(client, name=f"Number {number}")["id"] for number in range(5)]
    other = save(client, request={"studio_id": "chain-b-1"})["id"]
    seen, cursor = [], None
    while True:
        response = client.get(SCENARIOS, params={"limit": 2} | ({} if cursor is None else {"cursor": cursor}))
        page = ScenariosAnswer.model_validate_json(response.content)
        seen.append([scenario.id for scenario in page.scenarios])
        if (cursor := page.next_cursor) is None:
            break
    assert seen == [[other, ids[4]], [ids[3], ids[2]], [ids[1], ids[0]]]
    mine = client.get(SCENARIOS, params={"studio_id": "chain-b-1"}).json()
    assert [scenario["id"] for scenario in mine["scenarios"]] == [other]
    assert mine["next_cursor"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=rubbish", "cursor=%00"])
def test_a_wrong_page_is_refused(client: TestClient, query: str) -> None:
    response = client.get(f"{SCENARIOS}?{query}")
    assert response.status_code == 422
    assert response.json()["detail"]


def test_a_deleted_scenario_is_gone_and_only_that(client: TestClient) -> None:
    first, second = save(client), save(client)
    response = client.delete(f"{SCENARIOS}/{first['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert client.get(f"{SCENARIOS}/{first['id']}").status_code == 404
    assert client.delete(f"{SCENARIOS}/{first['id']}").status_code == 404
    assert client.get(SCENARIOS).json()["scenarios"] == [second]


def test_a_rerun_answers_from_today_s_release_and_changes_nothing(client: TestClient, tmp_path: Path) -> None:
    saved = save(client, request=REQUEST)
    url = f"{SCENARIOS}/{saved['id']}"
    assert client.post(f"{url}/rerun").json()["changes"] == {
        "release": False,
        "model_version": False,
        "data_version": False,
        "base_month": False,
        "shared_months": ["2021-12-01", "2022-01-01", "2022-02-01"],
        "revenue_difference": 0.0,
    }
    publish_fake(tmp_path, 2)
    wait_until(lambda: client.get("/api/v1/models/current").json()["model_version"] == "2")
    response = client.post(f"{url}/rerun")
    RerunAnswer.model_validate_json(response.content)
    again = response.json()
    assert (again["id"], again["name"]) == (saved["id"], saved["name"])
    assert again["answer"]["model_version"] == "2"
    assert again["answer"]["scenario_id"] != saved["answer"]["scenario_id"]
    assert again["saved"] == {
        "release": 1,
        "model_version": "1",
        "data_version": saved["data_version"],
        "base_month": "2021-11-01",
        "total_projected_revenue": 3021.0,
    }
    changes = [again["changes"][name] for name in ("release", "model_version", "data_version")]
    assert changes == [True, True, False]
    assert again["changes"]["revenue_difference"] == 3000.0
    assert client.get(url).json() == saved


def test_a_rerun_that_can_no_longer_be_answered_says_so(client: TestClient, tmp_path: Path) -> None:
    saved = save(client, request={**REQUEST, "studio_id": "chain-a-2"})
    keep, answer = client.app.state.services.scenarios.save, saved["answer"]
    gone = keep("Gone", {**saved["request"], "studio_id": "gone"}, {**answer, "scenario_id": "x"}, 1)
    old = keep("Old", {**saved["request"], "old_field": 1}, {**answer, "scenario_id": "y"}, 1)
    answers = [client.post(f"{SCENARIOS}/{scenario.id}/rerun") for scenario in (gone, old)]
    assert [answer.status_code for answer in answers] == [404, 422]
    assert "not one that this version takes" in answers[1].json()["detail"]


KEYS = "all,key-a:chain-a-*,key-b:chain-b-*"


def test_a_key_learns_nothing_of_other_studios(client_of: Any, database_url: str) -> None:
    keys = {name: {"X-API-Key": name} for name in ("all", "key-a", "key-b")}
    with client_of(api_keys=KEYS, database_url=database_url) as client:
        ids = [
            save(client, keys["all"], request={"studio_id": studio})["id"]
            for studio in ("chain-a-1", "chain-b-1", "chain-a-2", "chain-b-1")
        ]
        answer = client.post(FORWARD, json={"studio_id": "chain-b-1"}, headers=keys["key-b"]).json()
        seen = client.get(SCENARIOS, headers=keys["key-a"]).json()
        assert [scenario["id"] for scenario in seen["scenarios"]] == [ids[2], ids[0]]
        theirs, nobody_s = f"{SCENARIOS}/{ids[1]}", f"{SCENARIOS}/{uuid4()}"
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rerun")):
            one = client.request(method, theirs + path, headers=keys["key-a"])
            other = client.request(method, nobody_s + path, headers=keys["key-a"])
            assert one.status_code == other.status_code == 404
            assert one.text.replace(ids[1], "") == other.text.replace(nobody_s[-36:], "")
        saving = {"name": "n", "scenario_id": answer["scenario_id"]}
        assert client.post(SCENARIOS, json=saving, headers=keys["key-a"]).status_code == 404
        assert client.post(SCENARIOS, json=saving, headers=keys["key-b"]).status_code == 201
        assert len(client.get(SCENARIOS, headers=keys["all"]).json()["scenarios"]) == 5


def test_what_one_worker_has_just_answered_another_one_saves(client_of: Any, database_url: str) -> None:
    settings = {"database_url": database_url}
    with client_of(**settings) as one, client_of(**settings) as other:
        answer = one.post(FORWARD, json=REQUEST).json()
        saved = save(other, request=None, scenario_id=answer["scenario_id"])
        assert saved["answer"] == answer
        assert one.get(SCENARIOS).json()["scenarios"] == [saved]


def test_a_saved_scenario_outlives_its_process(tmp_path: Path, database_url: str) -> None:
    """Each service is killed, as a power cut would end it."""
    publish_fake(tmp_path, 1)
    killed = {"end": signal.SIGKILL, "STUDIO_DATABASE_URL": database_url}
    saved: list[dict[str, Any]] = []
    for _ in range(3):
        with service(tmp_path, *FAKE_SERVICE, **killed) as client:
            saved += [save(client) for _ in range(5)]
    with service(tmp_path, *FAKE_SERVICE, **killed) as client:
        assert client.get(SCENARIOS).json()["scenarios"] == saved[::-1]


# The records of a studio

RECORDS = "/api/v1/studios/{}/records"


def studios_logged(client: Any) -> list[str]:
    services = client.app.state.services
    services.prediction_log.flush(10)
    database: Database = services.database
    with database.reading() as connection:
        return list(connection.scalars(select(predictions.c.studio_id)))


def test_everything_kept_of_a_studio_is_deleted(client: Any) -> None:
    for studio in ("chain-a-1", "chain-a-1", "chain-b-1"):
        client.post(FORWARD, json={"studio_id": studio})
        save(client, request={"studio_id": studio})
    answer = client.delete(RECORDS.format("chain-a-1"))
    assert answer.status_code == 200
    assert answer.json() == {"studio_id": "chain-a-1", "scenarios": 2, "predictions": 4}
    assert set(studios_logged(client)) == {"chain-b-1"}
    assert [one["studio_id"] for one in client.get(SCENARIOS).json()["scenarios"]] == ["chain-b-1"]
    again = client.delete(RECORDS.format("chain-a-1")).json()
    assert again == {"studio_id": "chain-a-1", "scenarios": 0, "predictions": 0}
    client.post(FORWARD, json={"studio_id": "chain-a-1"})
    assert "chain-a-1" in studios_logged(client)


def test_what_another_process_still_had_in_hand_does_not_come_back(client: Any) -> None:
    log, late, other = client.app.state.services.prediction_log, entry("chain-a-1"), entry("chain-b-1")
    client.delete(RECORDS.format("chain-a-1"))
    new = entry("chain-a-1")
    for one in (late, other, new):
        log.add(one)
    assert sorted(studios_logged(client)) == ["chain-a-1", "chain-b-1"]
    assert (log.find(late.id), log.find(new.id)) == (None, new)


@pytest.mark.parametrize("empty", [False, True])
def test_a_studio_without_months_here_can_be_deleted_also_without_a_release(
    client_of: Any, database_url: str, *, empty: bool
) -> None:
    with client_of(database_url=database_url, empty=empty) as client:
        for studio in ("gone/with slash", "gone"):
            client.app.state.services.prediction_log.add(entry(studio))
        assert client.delete(RECORDS.format("gone%2Fwith%20slash")).json()["predictions"] == 1
        assert studios_logged(client) == ["gone"]


def test_the_file_holds_nothing_of_it_any_more(client_of: Any, tmp_path: Path) -> None:
    with client_of() as client:
        for _ in range(20):
            telling = entry("a-telling-name", outputs=b'{"secret":"zebra-crossing"}')
            client.app.state.services.prediction_log.add(telling)
        assert len(studios_logged(client)) == 20
        assert client.delete(RECORDS.format("a-telling-name")).json()["predictions"] == 20
    assert b"zebra-crossing" not in (tmp_path / "service.db").read_bytes()
