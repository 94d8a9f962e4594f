"""The database goes and comes back under load: predictions go on, health tells the truth, nothing is lost."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import psycopg
import pytest
from fake_forecaster import publish_fake
from load import FORWARD, PATIENCE_SECONDS, SCENARIOS, Load
from postgresql import HOST, PORT, temporary_database, url_of
from processes import FAKE_SERVICE, service, wait_until
from prometheus_client.parser import text_string_to_metric_families
from tcp_proxy import TcpProxy, tcp_proxy

SAVING, READING_SECONDS = 10, 1.5
"""More at once than there are threads for the database; and shorter than a save waits for a lock."""

PAUSE_SECONDS = 0.005
"""Between the requests of one client: at full speed the answers of 20 seconds fill the spool."""

HEALTH, METRICS = "/api/v1/health", "/metrics"


@pytest.fixture
def database_name() -> Iterator[str]:
    with temporary_database() as name:
        yield name


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with tcp_proxy(HOST, PORT) as proxy:
        yield proxy


def run_through_outage(home: Path, proxy: TcpProxy, outage: str, at_least: int) -> Load:
    publish_fake(home, 1)
    with service(home, *FAKE_SERVICE) as client:
        load = Load(client.base_url, PAUSE_SECONDS)
        with load.running(asking=2, saving=1):
            wait_until(lambda: len(load.saved) > 5)
            assert health(client) == ("healthy", "ok")
            getattr(proxy, outage)()
            wait_until(lambda: health(client) == ("degraded", "unreachable"))
            before = len(load.forward)
            wait_until(lambda: len(load.forward) > before + at_least)
            wait_until(lambda: any(answer.status == 503 for answer in load.saves))
            assert "predictions are logged to a file" in client.get(HEALTH).json()["problem"]
            assert client.get(SCENARIOS, timeout=PATIENCE_SECONDS).status_code == 503
            saved = len(load.saved)
            proxy.restore()
            wait_until(lambda: health(client) == ("healthy", "ok"))
            wait_until(lambda: len(load.saved) > saved + 5)
        assert {answer.status for answer in load.forward} == {200}
        refused = [answer for answer in load.saves if answer.status != 201]
        assert all(answer.status == 503 and "Try again" in answer.text for answer in refused)
        wait_until(lambda: not unwritten(client))
    return load


def health(client: httpx.Client) -> tuple[str, str]:
    answer = client.get(HEALTH).json()
    return answer["status"], answer["database"]


def unwritten(client: httpx.Client) -> float:
    """Entries of the log that are not in the database yet, as the service tells."""
    families = text_string_to_metric_families(client.get(METRICS).text)
    names = ("studio_log_queued", "studio_log_spooled")
    return sum(sample.value for family in families for sample in family.samples if sample.name in names)


def spooled(home: Path) -> int:
    return sum(path.stat().st_size for path in (home / "spool").glob("*"))


def rows(name: str, table: str) -> list[str]:
    with psycopg.connect(url_of(name)) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table}").fetchall()]  # noqa: S608


def assert_all_is_there(name: str, load: Load) -> None:
    logged = rows(name, "predictions")
    assert {answer.id for answer in load.forward} <= set(logged)
    assert len(logged) == len(load.forward) + len(load.saves), "every answer once, and none twice"
    assert set(load.saved) <= set(rows(name, "scenarios"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_name: str, proxy: TcpProxy) -> Path:
    monkeypatch.setenv("STUDIO_DATABASE_URL", url_of(database_name, proxy.port))
    return tmp_path


@pytest.mark.parametrize("outage", ["cut", pytest.param("freeze", marks=pytest.mark.slow)])
def test_an_outage_costs_no_answer_or_entry(
    home: Path, proxy: TcpProxy, database_name: str, outage: str
) -> None:
    load = run_through_outage(home, proxy, outage, at_least=300)
    assert_all_is_there(database_name, load)


def test_a_database_is_used_once_it_is_there(home: Path, proxy: TcpProxy, database_name: str) -> None:
    publish_fake(home, 1)
    proxy.cut()
    with service(home, *FAKE_SERVICE) as client:
        asked = {"studio_id": "chain-a-1"}
        predicted = {client.post(FORWARD, json=asked).json()["scenario_id"] for _ in range(20)}
        assert health(client) == ("degraded", "unreachable")
        body = {"name": "n", "request": asked}
        assert client.post(SCENARIOS, json=body).status_code == 503
        proxy.restore()
        wait_until(lambda: health(client) == ("healthy", "ok"))
        saved = client.post(SCENARIOS, json=body)
        assert saved.status_code == 201
        wait_until(lambda: not spooled(home))
    assert predicted <= set(rows(database_name, "predictions"))
    assert rows(database_name, "scenarios") == [saved.json()["id"]]


def test_what_is_spooled_when_the_service_ends_is_delivered_by_the_next_one(
    home: Path, proxy: TcpProxy, database_name: str
) -> None:
    publish_fake(home, 1)
    proxy.cut()
    with service(home, *FAKE_SERVICE) as client:
        predicted = {
            client.post(FORWARD, json={"studio_id": "chain-a-1"}).json()["scenario_id"] for _ in range(50)
        }
    assert spooled(home)
    proxy.restore()
    with service(home, *FAKE_SERVICE):
        wait_until(lambda: not spooled(home))
    assert set(rows(database_name, "predictions")) == predicted


def test_those_who_wait_to_save_keep_nobody_from_reading(tmp_path: Path) -> None:
    small_pool = {"STUDIO_DATABASE_POOL_SIZE": "2", "STUDIO_DATABASE_MAX_OVERFLOW": "0"}
    publish_fake(tmp_path, 1)
    body = {"name": "n", "request": {"studio_id": "chain-a-1"}}
    with service(tmp_path, *FAKE_SERVICE, **small_pool) as client, ThreadPoolExecutor(SAVING) as threads:
        first = client.post(SCENARIOS, json=body).json()["id"]
        with closing(sqlite3.connect(tmp_path / "service.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            saves = [threads.submit(client.post, SCENARIOS, json=body) for _ in range(SAVING)]
            end = time.monotonic() + READING_SECONDS
            while time.monotonic() < end:
                assert [kept["id"] for kept in client.get(SCENARIOS).json()["scenarios"]] == [first]
            assert not any(save.done() for save in saves)
            other.execute("ROLLBACK")
        assert [save.result().status_code for save in saves] == [201] * SAVING
