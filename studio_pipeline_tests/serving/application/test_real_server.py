"""The service in a process of its own, on a real port: its start, and releases under load."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fake_forecaster import publish_fake
from load import FORWARD, Load
from processes import FAKE_SERVICE, free_port, service, wait_until

from serving import server
from studio_pipeline.errors import InputError


def swap_under_load(home: Path, swaps: int, calls_a_swap: int) -> list[tuple[int, str, float]]:
    publish_fake(home, 1)
    with service(home, *FAKE_SERVICE) as client:
        load = Load(client.base_url)
        with load.running(asking=3):
            for number in range(1, swaps + 2):
                publish_fake(home, number)
                wait_until(lambda n=number: [one.model_version for one in load.forward[-3:]] == [str(n)] * 3)
                wait_until(lambda n=number: len(load.forward) >= (n - 1) * calls_a_swap)
        assert client.get("/api/v1/health").json()["status"] == "healthy"
    assert {len(answer.revenues) for answer in load.forward} == {1}
    return [(answer.status, answer.model_version, *answer.revenues) for answer in load.forward]


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


def refusal(home: Path, port: int, **settings: str) -> list[str]:
    """The two lines of a service that could not start."""
    done = subprocess.run(
        [sys.executable, "-m", "studio_pipeline.cli", "serve", "--port", str(port)],
        cwd=home,
        env=os.environ | {"STUDIO_HOME": str(home), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.splitlines()


def test_a_taken_port_ends_with_1_and_names_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        what, remedy = refusal(tmp_path, taken)
    assert what == f"Could not listen on port {taken} of 127.0.0.1: Address already in use."
    assert "--port" in remedy


def test_a_log_file_that_can_not_be_opened_ends_with_1_and_two_lines(tmp_path: Path) -> None:
    what, remedy = refusal(tmp_path, 0, STUDIO_LOG_FILE=str(tmp_path))
    assert what == f"Could not open the log file {tmp_path}: Is a directory."
    assert "STUDIO_LOG_FILE" in remedy


def test_a_free_port_is_left_free_and_an_address_of_another_machine_refused() -> None:
    port = free_port()
    for _ in range(2):
        server.refuse_taken("127.0.0.1", port)
    with pytest.raises(InputError, match=r"port 0 of 192\.0\.2\.1"):
        server.refuse_taken("192.0.2.1", 0)
    with pytest.raises(InputError, match="Correct --host"):
        server.refuse_taken("no.such.host.invalid", 0)


def test_a_start_that_fails_is_not_a_refused_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        sys.exit(3)

    monkeypatch.setenv("STUDIO_HOME", str(tmp_path))
    monkeypatch.setattr(server.uvicorn, "run", fail)
    with pytest.raises(SystemExit) as end:
        server.serve(port=0)
    assert end.value.code == 1
