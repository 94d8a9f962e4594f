"""`/metrics`: the figures of one process and of several workers, and how other services add theirs."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fake_forecaster import publish_fake
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from serving.metrics import ServiceMetrics

FORWARD = "/api/v1/predict/forward"
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(text: str) -> Figures:
    """Every sample by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(found: Figures, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def of(client: TestClient, **headers: str) -> Figures:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return figures(response.text)


def test_requests_are_counted_by_route_and_never_by_what_was_sent(client: TestClient) -> None:
    client.post(FORWARD, json={"studio_id": "chain-a-1"})
    client.post(FORWARD, json={"studio_id": "chain-a-2"})
    client.post(FORWARD, json={"studio_id": "nobody"})
    for path in ("/x", "/y/chain-a-1", f"{FORWARD}/chain-a-1"):
        client.get(path)
    client.request("BREW", "/x")
    client.request("STEEP", "/x")
    found = of(client)
    assert figure(found, "http_requests_total", method="POST", route=FORWARD, status="200") == 2
    assert figure(found, "http_requests_total", method="POST", route=FORWARD, status="404") == 1
    assert figure(found, "http_requests_total", method="GET", route="-", status="404") == 3
    assert figure(found, "http_requests_total", method="other", route="-", status="404") == 2
    assert figure(found, "http_request_duration_seconds_count", method="POST", route=FORWARD) == 3
    assert figure(found, "http_request_duration_seconds_bucket", method="POST", route=FORWARD, le="+Inf") == 3
    assert "chain-" not in client.get("/metrics").text
    assert (figure(found, "process_resident_memory_bytes") or 0) > 1e7


def test_refused_requests_are_counted_too(client_of) -> None:
    with client_of(api_keys="k,m", rate_limit="2/hour") as client:
        for key in ("k", "k", "k", "wrong"):
            client.get("/api/v1/models", headers={"X-API-Key": key})
        found = of(client, **{"X-API-Key": "m"})
        assert client.get("/metrics").status_code == 401
    route = "/api/v1/models"
    assert figure(found, "http_requests_total", method="GET", route=route, status="200") == 2
    assert figure(found, "http_requests_total", method="GET", route=route, status="429") == 1
    assert figure(found, "http_requests_total", method="GET", route=route, status="401") == 1


def test_the_release_is_told(client_of, tmp_path: Path) -> None:
    with client_of(empty=True) as client:
        found = of(client)
        assert figure(found, "studio_release_problem") == 1
        assert not any(name == "studio_release_info" for name, _ in found)
    release = publish_fake(tmp_path, 3)
    with client_of() as client:
        found = of(client)
    labels = {"version": "1", "model_version": "3", "data_version": release.data_version}
    assert figure(found, "studio_release_info", **labels) == 1
    assert figure(found, "studio_release_problem") == 0
    assert (figure(found, "studio_release_age_seconds") or 0) > 86_400
    assert 0 <= (figure(found, "studio_model_age_seconds") or -1) < 600


class Log:
    def __init__(self) -> None:
        self.counters = Counter(written=0, dropped=0)


def test_services_are_followed_in_a_line_each() -> None:
    metrics, log, queue = ServiceMetrics(), Log(), [1, 2]
    metrics.follow_counters("studio_predictions_logged", "What became of predictions.", log)
    metrics.follow_gauge("studio_predictions_waiting", "Not written yet.", lambda: len(queue))
    log.counters["written"] += 3
    metrics.publish()
    log.counters.update(written=2, spooled=1)
    queue.pop()
    found = figures(metrics.text().decode())
    assert figure(found, "studio_predictions_logged_total", event="written") == 5
    assert figure(found, "studio_predictions_logged_total", event="spooled") == 1
    assert figure(found, "studio_predictions_logged_total", event="dropped") == 0
    assert figure(found, "studio_predictions_waiting") == 1


WORKER = """
import os, sys
from collections import Counter
from serving.metrics import ServiceMetrics
class Log:
    counters = Counter(written=2)
metrics = ServiceMetrics()
metrics.follow_counters("log", "Log.", Log())
metrics.follow_gauge("queue", "Queue.", lambda: 5)
metrics.note_request("GET", "/x", 200, 0.002)
metrics.publish()
if sys.argv[1] == "ask":
    print(metrics.text().decode())
elif sys.argv[1] == "die":
    os.kill(os.getpid(), 9)
"""


def work(folder: Path, how: str) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", WORKER, how], env=environment, stdout=subprocess.PIPE, text=True, check=False
    ).stdout


@pytest.mark.parametrize("how", ["end", "die"])
def test_any_worker_answers_for_all_and_the_dead_keep_what_they_counted(tmp_path: Path, how: str) -> None:
    for _ in range(2):
        work(tmp_path, how)
    found = figures(work(tmp_path, "ask"))
    assert figure(found, "http_requests_total", method="GET", route="/x", status="200") == 3
    assert figure(found, "http_request_duration_seconds_bucket", method="GET", route="/x", le="0.0025") == 3
    assert figure(found, "log_total", event="written") == 6
    # A queue is gone with its worker.
    assert figure(found, "queue") == 5
