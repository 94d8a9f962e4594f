"""`DELETE /studios/{studio_id}/records`: nothing of the studio is left, and everything of the others."""

from pathlib import Path
from typing import Any

from fake_forecaster import publish_fake
from logged_predictions import entry
from sqlalchemy import select
from test_scenario_routes import FORWARD, SCENARIOS, client, database_settings, save

from serving.storage.database import Database
from serving.storage.schema import predictions

__all__ = ["client", "database_settings"]

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
    assert client.delete(RECORDS.format("chain-a-1")).json() == {
        "studio_id": "chain-a-1",
        "scenarios": 0,
        "predictions": 0,
    }
    client.post(FORWARD, json={"studio_id": "chain-a-1"})
    assert "chain-a-1" in studios_logged(client)


def test_what_another_process_still_had_in_hand_does_not_come_back(client: Any) -> None:
    log, late = client.app.state.services.prediction_log, entry("chain-a-1")
    client.delete(RECORDS.format("chain-a-1"))
    log.add(late)
    log.add(entry("chain-b-1"))
    assert studios_logged(client) == ["chain-b-1"]


def test_a_studio_without_months_here_can_be_deleted(client: Any) -> None:
    log = client.app.state.services.prediction_log
    for studio in ("gone/with slash", "gone"):
        log.add(entry(studio))
    assert client.delete(RECORDS.format("gone%2Fwith%20slash")).json()["predictions"] == 1
    assert studios_logged(client) == ["gone"]


def test_without_a_release_records_can_be_deleted_all_the_same(client_of: Any) -> None:
    with client_of() as client:
        client.app.state.services.prediction_log.add(entry("old"))
        assert client.delete(RECORDS.format("old")).json()["predictions"] == 1


def test_the_file_holds_nothing_of_it_any_more(client_of: Any, tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    with client_of() as client:
        for _ in range(20):
            client.app.state.services.prediction_log.add(
                entry("a-telling-name", outputs=b'{"secret":"zebra-crossing"}')
            )
        assert len(studios_logged(client)) == 20
        assert client.delete(RECORDS.format("a-telling-name")).json()["predictions"] == 20
    assert b"zebra-crossing" not in (tmp_path / "service.db").read_bytes()
