import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from studio_pipeline.errors import RunInProgressError
from studio_pipeline.publishing.locks import RUN_ID, hold_lock, lock_holder, lock_of_run

HOLD = """
import sys, time
from pathlib import Path
from studio_pipeline.publishing.locks import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_told_who_holds_the_lock_and_a_kill_releases_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunInProgressError, match=rf"process {holder.pid}, started at 20"):
            hold_lock(tmp_path).__enter__()
        holder.kill()
        holder.wait()
    with hold_lock(tmp_path):
        assert str(os.getpid()) in (tmp_path / "run.lock").read_text()


def test_the_lock_is_released_by_an_error_and_refused_within_one_process(tmp_path: Path) -> None:
    def fail_while_holding() -> None:
        with hold_lock(tmp_path):
            with pytest.raises(RunInProgressError):
                hold_lock(tmp_path).__enter__()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_while_holding()
    with hold_lock(tmp_path), hold_lock(tmp_path, "other.lock"):
        pass


def test_who_holds_a_lock_can_be_asked(tmp_path: Path) -> None:
    assert lock_holder(tmp_path) is None
    with lock_of_run(tmp_path, "a-run"):
        holder = lock_holder(tmp_path)
        assert (holder["pid"], holder[RUN_ID]) == (os.getpid(), "a-run")
        for unwritten in ("", "{", "[]"):
            (tmp_path / "run.lock").write_text(unwritten)
            assert lock_holder(tmp_path) == {}
        with pytest.raises(RunInProgressError, match="only just started"):
            hold_lock(tmp_path).__enter__()
    assert lock_holder(tmp_path) is None


def test_those_who_only_look_keep_nobody_from_the_lock(tmp_path: Path) -> None:
    stop = threading.Event()
    with hold_lock(tmp_path):
        pass

    def look() -> None:
        while not stop.is_set():
            lock_holder(tmp_path)
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(200):
            with hold_lock(tmp_path):
                pass
    finally:
        stop.set()
        thread.join()
