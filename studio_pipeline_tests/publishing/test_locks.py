import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio_pipeline.errors import RunInProgressError
from studio_pipeline.publishing.locks import hold_lock

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
        assert holder.stdout is not None
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


def test_a_holder_that_has_not_written_its_name_is_still_a_holder(tmp_path: Path) -> None:
    with hold_lock(tmp_path):
        (tmp_path / "run.lock").write_text("")
        with pytest.raises(RunInProgressError, match="only just started"):
            hold_lock(tmp_path).__enter__()
