"""Starting the service: a port that is taken, and the exit status of a start that fails."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import server
from studio_pipeline.errors import InputError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1]


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


def test_a_taken_port_ends_with_1_and_names_the_port(taken: int, tmp_path: Path) -> None:
    what, remedy = refusal(tmp_path, taken)
    assert what == f"Could not listen on port {taken} of 127.0.0.1: Address already in use."
    assert "--port" in remedy


def test_a_log_file_that_can_not_be_opened_ends_with_1_and_two_lines(tmp_path: Path) -> None:
    what, remedy = refusal(tmp_path, 0, STUDIO_LOG_FILE=str(tmp_path))
    assert what == f"Could not open the log file {tmp_path}: Is a directory."
    assert "STUDIO_LOG_FILE" in remedy


def test_a_free_port_is_left_free(taken: int) -> None:
    for _ in range(2):
        server.refuse_taken("127.0.0.1", 0)
    with pytest.raises(InputError):
        server.refuse_taken("127.0.0.1", taken)


def test_an_address_of_another_machine_is_refused() -> None:
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
