"""Several workers on one port: one is killed under load, the others go on, all serve the newest release."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fake_forecaster import publish_fake
from load import ASKED, FORWARD, SCENARIOS, Load
from processes import service, wait_until
from test_service_metrics import figure, figures

TWO_WORKERS = ("-c", "from fake_service import serve_fake; serve_fake({port}, workers=2)")
PYTHONPATH = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
ASKERS = 4


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[httpx.Client]:
    publish_fake(tmp_path, 1)
    with service(tmp_path, *TWO_WORKERS, PYTHONPATH=PYTHONPATH) as client:
        yield client


def workers() -> set[int]:
    """The workers of the service that this process runs."""
    (parent,) = [pid for pid in children_of(os.getpid()) if "serve_fake" in command_of(pid)]
    return {pid for pid in children_of(parent) if "spawn_main" in command_of(pid)}


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    """Nothing where it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


@pytest.mark.slow
def test_a_killed_worker_takes_only_its_own_requests_with_it(
    two_workers: httpx.Client, tmp_path: Path
) -> None:
    assert len(workers()) == 2
    load = Load(two_workers.base_url)
    with load.running(asking=ASKERS, saving=1):
        for _ in range(3):
            running = workers()
            target = len(load.forward) + 200
            wait_until(lambda target=target: len(load.forward) >= target)
            os.kill(min(running), signal.SIGKILL)
            wait_until(lambda old=running: len(workers()) == 2 and workers() != old)
        publish_fake(tmp_path, 2)
        wait_until(lambda: [answer.model_version for answer in load.forward].count("2") >= 500)
    succeeded = [answer.status for answer in load.forward].count(200)
    assert succeeded >= len(load.forward) - 3 * ASKERS, load.forward
    assert len(load.saved) > 10
    for scenario_id in load.saved:
        assert httpx.get(two_workers.base_url.join(f"{SCENARIOS}/{scenario_id}")).is_success
    # The kernel spreads new connections over the workers.
    url = two_workers.base_url.join(FORWARD)
    wait_until(lambda: {httpx.post(url, json=ASKED).json()["model_version"] for _ in range(30)} == {"2"})
    # What killed workers have answered is still in the sums, but for what they died before counting.
    text = httpx.get(two_workers.base_url.join("/metrics")).text
    counted = figure(figures(text), "http_requests_total", method="POST", route=FORWARD, status="200")
    assert (counted or 0) >= succeeded - 3 * ASKERS


@pytest.mark.slow
def test_figures_are_those_of_all_workers_whichever_answers(two_workers: httpx.Client) -> None:
    for _ in range(40):
        assert httpx.post(two_workers.base_url.join(FORWARD), json=ASKED).is_success
    time.sleep(0.1)
    for _ in range(6):
        found = figures(httpx.get(two_workers.base_url.join("/metrics")).text)
        assert figure(found, "http_requests_total", method="POST", route=FORWARD, status="200") == 40
        assert figure(found, "studio_release_problem") == 0


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_service_and_all_its_workers(tmp_path: Path, end: signal.Signals) -> None:
    publish_fake(tmp_path, 1)
    with service(tmp_path, *TWO_WORKERS, end=end, PYTHONPATH=PYTHONPATH):
        running = workers()
        assert len(running) == 2
    wait_until(lambda: not any("spawn_main" in command_of(pid) for pid in running))
    assert not list((tmp_path / "metrics").iterdir())
