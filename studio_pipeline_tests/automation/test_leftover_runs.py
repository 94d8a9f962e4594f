"""Runs whose process was killed are ended with a reason; those that live or wait in line go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from studio_pipeline.automation import run_history as leftover_runs
from studio_pipeline.automation.run_history import end_leftover_runs, is_alive, process_lives
from studio_pipeline.publishing.locks import lock_of_run
from studio_pipeline.settings import Settings

RUN = """
import sys, time
import dagster as dg

@dg.op
def slow():
    print("running", flush=True)
    time.sleep(60)

@dg.job(executor_def=dg.in_process_executor)
def waiting():
    slow()

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    waiting.execute_in_process(instance=instance, run_id=sys.argv[2], raise_on_error=False)
"""
DEAD, LIVE = "00000000-0000-4000-8000-00000000dead", "00000000-0000-4000-8000-000000000111"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def start_run(home: Path, run_id: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", RUN, str(home), run_id], stdout=subprocess.PIPE)
    with process.stdout:
        assert process.stdout.readline() == b"running\n"
    return process


def add_run(instance: dg.DagsterInstance, run_id: str, status: DagsterRunStatus) -> None:
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "jobs")
    origin = RemoteJobOrigin(place, "waiting")
    run = dg.DagsterRun(job_name="waiting", run_id=run_id, status=status, remote_job_origin=origin)
    instance.add_run(run)


def test_a_killed_run_is_failed_with_a_reason_and_a_live_one_goes_on(instance, tmp_path) -> None:
    dead, live = start_run(tmp_path, DEAD), start_run(tmp_path, LIVE)
    try:
        dead.send_signal(signal.SIGKILL)
        # A child that was not waited for is dead all the same.
        while process_lives(dead.pid, time.time()):
            time.sleep(0.01)
        context = dg.build_sensor_context(instance, resources={"settings": Settings(home=tmp_path)})
        ended = leftover_runs.leftover_runs(context)
        assert (DEAD in ended.skip_message, LIVE in ended.skip_message) == (True, False)
        assert instance.get_run_by_id(DEAD).status is DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(LIVE).status is DagsterRunStatus.STARTED
        reasons = [entry.message for entry in instance.all_logs(DEAD)]
        assert any("process of this run is gone" in reason for reason in reasons)
        assert end_leftover_runs(instance, tmp_path) == []
    finally:
        for process in (dead, live):
            process.kill()
            process.wait()


def test_what_waits_in_line_goes_on_and_what_was_being_cancelled_is_cancelled(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftover_runs, "LAUNCH_SECONDS", -1.0)
    ends = {"QUEUED": "QUEUED", "STARTING": "FAILURE", "CANCELING": "CANCELED", "SUCCESS": "SUCCESS"}
    for name in ends:
        add_run(instance, name, DagsterRunStatus[name])
    assert set(end_leftover_runs(instance, tmp_path)) == {"STARTING", "CANCELING"}
    assert {name: instance.get_run_by_id(name).status.name for name in ends} == ends


def test_the_run_that_holds_the_lock_lives_whatever_dagster_knows_of_it(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftover_runs, "LAUNCH_SECONDS", -1.0)
    add_run(instance, "mine", DagsterRunStatus.STARTED)
    with lock_of_run(tmp_path, "mine"):
        assert end_leftover_runs(instance, tmp_path) == []
    assert end_leftover_runs(instance, tmp_path) == ["mine"]


@pytest.mark.parametrize(
    ("processes_live", "quiet_seconds", "alive"),
    [
        ([], 5.0, True),
        ([], 61.0, False),
        ([False], 5.0, False),
        ([False, True], 500.0, True),
        ([True], 0.0, True),
    ],
)
def test_when_a_run_is_alive(processes_live: list[bool], quiet_seconds: float, alive: bool) -> None:
    assert is_alive(processes_live, quiet_seconds) is alive


@pytest.mark.skipif(not Path("/proc").exists(), reason="only /proc tells when a process began")
def test_a_younger_process_with_the_same_id_is_another_one() -> None:
    assert process_lives(os.getpid(), time.time())
    assert not process_lives(os.getpid(), time.time() - 86_400 * 365)
    assert not process_lives(2**22 + 1, time.time())
