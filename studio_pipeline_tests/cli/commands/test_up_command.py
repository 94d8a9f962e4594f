"""`studio up` refuses politely, before it starts anything."""

import os
import socket
from pathlib import Path

import pytest

from studio_pipeline.cli.commands import up
from studio_pipeline.publishing.locks import UP_LOCK, hold_lock, lock_holder
from studio_pipeline_tests.benchmarks.kills import free_ports
from studio_pipeline_tests.cli.conftest import studio

ADDRESSES = {"service": "http://127.0.0.1:1", "Dagster": "http://127.0.0.1:2"}


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "PORT_SECONDS", 0.3)


def test_a_second_one_names_the_first_and_touches_nothing(home: Path) -> None:
    with hold_lock(home, UP_LOCK, ADDRESSES):
        refused = studio("up", "--port", "1", "--dagster-port", "2")
        assert [path.name for path in home.iterdir()] == [UP_LOCK]
    assert refused.exit_code == 1
    assert f"`studio up` is running on {home} already (process {os.getpid()}, started at 20" in refused.output
    assert "service http://127.0.0.1:1, Dagster http://127.0.0.1:2)" in refused.output
    assert "Use that one, or stop it first." in refused.output


@pytest.mark.parametrize("option", ["--port", "--dagster-port"])
def test_a_taken_port_is_told_before_anything_starts(home: Path, option: str) -> None:
    other = {"--port": "--dagster-port", "--dagster-port": "--port"}[option]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [option, str(taken.getsockname()[1]), other, str(free_ports()[0])]
        refused = studio("up", *ports)
    assert refused.exit_code == 1
    assert f"Could not listen on port {ports[1]} of 127.0.0.1: Address already in use." in refused.output
    assert f"choose another with {option} " in refused.output
    assert [path.name for path in home.iterdir()] == [UP_LOCK]
    assert lock_holder(home, UP_LOCK) is None
