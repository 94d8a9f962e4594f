"""The database goes and comes back under load: predictions go on, health tells the truth, nothing is lost."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from fake_forecaster import publish_fake
from postgresql import HOST, PORT, temporary_database, url_of
from processes import service, wait_until
from prometheus_client.parser import text_string_to_metric_families
from tcp_proxy import TcpProxy, tcp_proxy

PROGRAM = Path(__file__).parents[1] / "fake_service.py"
SAVING, READING_SECONDS = 10, 1.5
"""More at once than there are threads for the database; and shorter than a save waits for a lock."""

PAUSE_SECONDS = 0.005
"""Between the requests of one client: at full speed the answers of 20 seconds fill the spool."""

PATIENCE_SECONDS = 30
"""More than a hanging server is waited for on an old connection and on a new one, on a busy machine."""

FORWARD, SCENARIOS = "/api/v1/predict/forward", "/api/v1/scenarios"
HEALTH, METRICS = "/api/v1/health", "/metrics"


@dataclass
class Load:
    """What clients were answered.

    Attributes:
        predicted: ids of all forward answers.
        saved: ids of all scenarios that were answered 201.
        statuses: of all attempts to save.
        failures: answers that must not be.
    """

    url: httpx.URL
    stop: threading.Event = field(default_factory=threading.Event)
    predicted: set[str] = field(default_factory=set)
    saved: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def predict(self) -> None:
        """Ask forward until told to stop."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            while not self.stop.wait(PAUSE_SECONDS):
                response = client.post(FORWARD, json={"studio_id": "chain-a-1", "projection_months": 12})
                if response.status_code == 200:
                    self.predicted.add(response.json()["scenario_id"])
                else:
                    self.failures.append(response.text)

    def save(self) -> None:
        """Save scenarios until told to stop."""
        body = {"name": "Under load", "request": {"studio_id": "chain-a-2"}}
        with httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            while not self.stop.is_set():
                response = client.post(SCENARIOS, json=body)
                self.statuses.append(response.status_code)
                if response.status_code == 201:
                    self.saved.add(response.json()["id"])
                elif response.status_code != 503 or "Try again" not in response.text:
                    self.failures.append(response.text)


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
    with service(home, str(PROGRAM), "{port}") as client:
        load = Load(client.base_url)
        clients = [threading.Thread(target=work) for work in (load.predict, load.predict, load.save)]
        for one in clients:
            one.start()
        try:
            wait_until(lambda: len(load.saved) > 5)
            assert health(client) == ("healthy", "ok")
            getattr(proxy, outage)()
            wait_until(lambda: health(client) == ("degraded", "unreachable"))
            before = len(load.predicted)
            wait_until(lambda: len(load.predicted) > before + at_least)
            wait_until(lambda: 503 in load.statuses)
            assert "predictions are logged to a file" in client.get(HEALTH).json()["problem"]
            assert client.get(SCENARIOS, timeout=PATIENCE_SECONDS).status_code == 503
            saved = len(load.saved)
            proxy.restore()
            wait_until(lambda: health(client) == ("healthy", "ok"))
            wait_until(lambda: len(load.saved) > saved + 5)
        finally:
            load.stop.set()
            for one in clients:
                one.join()
        assert load.failures == []
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
    assert load.predicted <= set(logged)
    assert len(logged) == len(load.predicted) + len(load.statuses), "every answer once, and none twice"
    assert load.saved <= set(rows(name, "scenarios"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_name: str, proxy: TcpProxy) -> Path:
    monkeypatch.setenv("STUDIO_DATABASE_URL", url_of(database_name, proxy.port))
    return tmp_path


def test_a_connection_that_is_cut_costs_no_answer_and_no_entry(
    home: Path, proxy: TcpProxy, database_name: str
) -> None:
    load = run_through_outage(home, proxy, "cut", at_least=300)
    assert_all_is_there(database_name, load)


@pytest.mark.slow
def test_a_server_that_hangs_costs_no_answer_and_no_entry(
    home: Path, proxy: TcpProxy, database_name: str
) -> None:
    load = run_through_outage(home, proxy, "freeze", at_least=300)
    assert_all_is_there(database_name, load)


def test_a_database_that_is_away_at_start_is_used_once_it_is_there(
    home: Path, proxy: TcpProxy, database_name: str
) -> None:
    publish_fake(home, 1)
    proxy.cut()
    with service(home, str(PROGRAM), "{port}") as client:
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
    with service(home, str(PROGRAM), "{port}") as client:
        predicted = {
            client.post(FORWARD, json={"studio_id": "chain-a-1"}).json()["scenario_id"] for _ in range(50)
        }
    assert spooled(home)
    proxy.restore()
    with service(home, str(PROGRAM), "{port}"):
        wait_until(lambda: not spooled(home))
    assert set(rows(database_name, "predictions")) == predicted


def test_those_who_wait_to_save_keep_nobody_from_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_DATABASE_POOL_SIZE", "2")
    monkeypatch.setenv("STUDIO_DATABASE_MAX_OVERFLOW", "0")
    publish_fake(tmp_path, 1)
    body = {"name": "n", "request": {"studio_id": "chain-a-1"}}
    with service(tmp_path, str(PROGRAM), "{port}") as client, ThreadPoolExecutor(SAVING) as threads:
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
