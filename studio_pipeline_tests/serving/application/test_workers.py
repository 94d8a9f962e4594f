"""Several workers on one port: one is killed under load, the others go on, all serve the newest release."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from fake_forecaster import publish_fake
from processes import free_port, service, wait_until
from test_service_metrics import figure, figures

SCENARIOS = "/api/v1/scenarios"
FORWARD = "/api/v1/predict/forward"
BODY = {"studio_id": "chain-a-1", "projection_months": 12}
TWO_WORKERS = ("-c", "from fake_service import serve_fake; serve_fake({port}, workers=2)")
ASKERS = 4


@pytest.fixture
def two_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    publish_fake(tmp_path, 1)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]))
    with service(tmp_path, *TWO_WORKERS) as client:
        yield client


def workers_on(port: int) -> set[int]:
    """The processes whose parent serves that port."""
    (parent,) = [pid for pid in processes() if f"serve_fake({port}" in command_of(pid) and has_children(pid)]
    return {pid for pid in processes() if parent_of(pid) == parent and "spawn_main" in command_of(pid)}


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def has_children(pid: int) -> bool:
    return any(parent_of(other) == pid for other in processes())


@contextmanager
def load(url: httpx.URL) -> Iterator[Counter[str]]:
    """Ask from several connections at once, and count what comes."""
    seen: Counter[str] = Counter()
    stop, lock = threading.Event(), threading.Lock()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=10) as client:
            while not stop.is_set():
                try:
                    response = client.post(FORWARD, json=BODY)
                    outcome = str(response.status_code)
                    if response.is_success:
                        outcome += f" model {response.json()['model_version']}"
                except httpx.TransportError as error:
                    outcome = type(error).__name__
                with lock:
                    seen[outcome] += 1

    askers = [threading.Thread(target=ask) for _ in range(ASKERS)]
    for asker in askers:
        asker.start()
    try:
        yield seen
    finally:
        stop.set()
        for asker in askers:
            asker.join()


@contextmanager
def saving(url: httpx.URL) -> Iterator[list[str]]:
    """Save one scenario after the other, and note the ids of those that were answered 201."""
    saved: list[str] = []
    stop = threading.Event()

    def save() -> None:
        with httpx.Client(base_url=url, timeout=10) as client:
            while not stop.is_set():
                with suppress(httpx.TransportError):
                    response = client.post(SCENARIOS, json={"name": f"No. {len(saved)}", "request": BODY})
                    if response.status_code == 201:
                        saved.append(response.json()["id"])

    saver = threading.Thread(target=save)
    saver.start()
    try:
        yield saved
    finally:
        stop.set()
        saver.join()


def failures(seen: Counter[str]) -> int:
    return sum(count for outcome, count in seen.items() if not outcome.startswith("200 "))


@pytest.mark.slow
def test_a_worker_that_is_killed_takes_only_its_own_requests_with_it(
    two_workers: httpx.Client, tmp_path: Path
) -> None:
    port = two_workers.base_url.port
    assert port is not None
    before = workers_on(port)
    assert len(before) == 2
    with load(two_workers.base_url) as seen, saving(two_workers.base_url) as saved:
        for _ in range(3):
            workers = workers_on(port)
            target = seen.total() + 200
            wait_until(lambda target=target: seen.total() >= target)
            os.kill(min(workers), signal.SIGKILL)
            wait_until(lambda old=workers: len(workers_on(port)) == 2 and workers_on(port) != old)
        publish_fake(tmp_path, 2)
        target = seen["200 model 2"] + 500
        wait_until(lambda: seen["200 model 2"] >= target)
    assert failures(seen) <= 3 * ASKERS, seen
    assert len(saved) > 10
    for scenario_id in saved:
        assert httpx.get(two_workers.base_url.join(f"{SCENARIOS}/{scenario_id}")).is_success
    wait_until(lambda: models_of_all_workers(two_workers.base_url) == {"2"})
    # What killed workers have answered is still in the sums, but for what they died before counting.
    text = httpx.get(two_workers.base_url.join("/metrics")).text
    counted = figure(figures(text), "http_requests_total", method="POST", route=FORWARD, status="200")
    succeeded = seen.total() - failures(seen)
    assert counted is not None
    assert counted >= succeeded - 3 * ASKERS


def models_of_all_workers(url: httpx.URL) -> set[str]:
    """What many new connections are answered: the kernel spreads them over the workers."""
    answers = [httpx.post(url.join(FORWARD), json=BODY).json()["model_version"] for _ in range(30)]
    return set(answers)


@pytest.mark.slow
def test_figures_are_those_of_all_workers_whichever_answers(two_workers: httpx.Client) -> None:
    for _ in range(40):
        assert httpx.post(two_workers.base_url.join(FORWARD), json=BODY).is_success
    time.sleep(0.1)
    for _ in range(6):
        found = figures(httpx.get(two_workers.base_url.join("/metrics")).text)
        assert figure(found, "http_requests_total", method="POST", route=FORWARD, status="200") == 40
        assert figure(found, "studio_release_problem") == 0


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_service_and_all_its_workers(tmp_path: Path, end: signal.Signals) -> None:
    publish_fake(tmp_path, 1)
    port = free_port()
    command = f"from fake_service import serve_fake; serve_fake({port}, workers=2)"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]),
        "STUDIO_HOME": str(tmp_path),
        "STUDIO_LOG_FILE": str(tmp_path / "log"),
    }
    with subprocess.Popen([sys.executable, "-c", command], env=environment, cwd=tmp_path) as process:
        wait_until(lambda: is_healthy(port))
        workers = workers_on(port)
        process.send_signal(end)
        process.wait(timeout=20)
    wait_until(lambda: not any("spawn_main" in command_of(pid) for pid in workers))
    assert not list((tmp_path / "metrics").iterdir())


def is_healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/v1/health").is_success
    except httpx.TransportError:
        return False
