"""The service in a process of its own, on a real port."""

import threading
from pathlib import Path

import httpx
import pytest
from fake_forecaster import publish_fake
from processes import service, wait_until

PROGRAM = Path(__file__).parents[1] / "fake_service.py"
FORWARD = "/api/v1/predict/forward"


def ask_until(stop: threading.Event, url: httpx.URL, seen: list[tuple[int, str, float]]) -> None:
    with httpx.Client(base_url=url, timeout=10) as client:
        while not stop.is_set():
            response = client.post(FORWARD, json={"studio_id": "chain-a-1", "projection_months": 12})
            answer = response.json()
            revenues = {month["revenue"] for month in answer["predictions"].values()}
            assert len(revenues) == 1
            seen.append((response.status_code, answer["model_version"], revenues.pop()))


def swap_under_load(home: Path, swaps: int, calls_a_swap: int) -> list[tuple[int, str, float]]:
    publish_fake(home, 1)
    seen: list[list[tuple[int, str, float]]] = [[], [], []]
    stop = threading.Event()
    with service(home, str(PROGRAM), "{port}") as client:
        askers = [
            threading.Thread(target=ask_until, args=(stop, client.base_url, answers)) for answers in seen
        ]
        for asker in askers:
            asker.start()
        try:
            for number in range(1, swaps + 2):
                publish_fake(home, number)
                wait_until(lambda n=number: all(answers and answers[-1][1] == str(n) for answers in seen))
                wait_until(lambda n=number: sum(map(len, seen)) >= (n - 1) * calls_a_swap)
        finally:
            stop.set()
            for asker in askers:
                asker.join()
        assert client.get("/api/v1/health").json()["status"] == "healthy"
    return [answer for answers in seen for answer in answers]


def assert_no_answer_mixes_two_releases(answers: list[tuple[int, str, float]]) -> None:
    for status, model_version, revenue in answers:
        assert (status, revenue) == (200, 1000.0 * int(model_version) + 7)


def test_releases_are_swapped_while_requests_run(tmp_path: Path) -> None:
    answers = swap_under_load(tmp_path, swaps=4, calls_a_swap=50)
    assert_no_answer_mixes_two_releases(answers)
    assert {model_version for _, model_version, _ in answers} == set("12345")
    assert len(answers) >= 200


@pytest.mark.parametrize(
    "command",
    [
        ("-c", "from serving.server import serve; serve(port={port})"),
        ("-c", "from serving.server import serve; serve(port={port}, workers=2)"),
        ("-m", "uvicorn", "serving.app:app", "--port", "{port}", "--log-level", "warning"),
    ],
)
def test_the_service_starts_without_a_release_and_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    with service(tmp_path, *command) as client:
        assert client.get("/api/v1/health").json()["status"] == "no_model"
        assert client.post(FORWARD, json={"studio_id": "s"}).status_code == 503
    assert "GET /api/v1/health 200" in (tmp_path / "service.log").read_text()
