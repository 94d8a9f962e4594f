"""Children start together and end together, grandchildren included."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from studio_pipeline.cli.supervisor import Child, RestartConfig, run_together
from studio_pipeline_tests.serving.processes import free_port, wait_until

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
PARENT_OF_ONE = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {DEAF!r}])
time.sleep(0.5)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(60)
"""
SLEEPER = """
import os, sys, time
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""
SERVER = """
import http.server, sys, threading
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)
threading.Timer(2, server.shutdown).start()
server.serve_forever()
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread, which ends before the block does."""
    thread = threading.Thread(target=act)
    thread.start()
    yield
    thread.join()


def wait_for(path: Path) -> int:
    """The number in a file, once it is there."""
    wait_until(lambda: path.exists() and path.read_text() != "", seconds=20)
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] in ("", "Z")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_and_leaves_nobody(tmp_path, monkeypatch, number) -> None:
    monkeypatch.setattr("studio_pipeline.cli.supervisor.STOP_SECONDS", 1.0)
    pids = [tmp_path / "one", tmp_path / "two"]
    children = [Child(path.name, python(PARENT_OF_ONE, str(path)), None) for path in pids]
    found: list[int] = []

    def interrupt() -> None:
        found.extend(wait_for(path) for path in pids)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with meanwhile(interrupt):
        assert run_together(children, os.environ, tmp_path / "logs", "ready") == 0
    assert signal.getsignal(number) is before
    assert len(found) == 2
    assert all(is_gone(pid) for pid in found)


IMPATIENT = RestartConfig(most_quick=3, first_wait_seconds=0.01)


def test_one_that_ends_again_and_again_ends_the_others_and_is_told(tmp_path, capsys) -> None:
    pid_file, starts = tmp_path / "stays", tmp_path / "starts"
    fails = f"open({str(starts)!r}, 'a').write('x'); print('no such table'); raise SystemExit(7)"
    children = [
        Child("stays", python(SLEEPER, str(pid_file)), None),
        Child("fails", python(f"import time; time.sleep(0.5); {fails}"), None),
    ]
    assert run_together(children, os.environ, tmp_path / "logs", "ready", IMPATIENT) == 1
    told = capsys.readouterr().err
    assert starts.read_text() == "xxx"
    assert told.count("fails ended with status 7: it is started again.") == 2
    assert "fails ended with status 7, 3 times in a row" in told
    assert "no such table" in told
    assert str(tmp_path / "logs" / "fails.log") in told
    assert is_gone(wait_for(pid_file))


def test_one_that_is_killed_is_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    killed, stays = tmp_path / "killed", tmp_path / "stays"
    children = [Child(path.name, python(SLEEPER, str(path)), None) for path in (killed, stays)]
    seen: list[int] = []

    def kill_and_stop() -> None:
        seen.extend([wait_for(killed), wait_for(stays)])
        killed.unlink()
        os.kill(seen[0], signal.SIGKILL)
        seen.extend([wait_for(killed), wait_for(stays)])
        os.kill(os.getpid(), signal.SIGTERM)

    with meanwhile(kill_and_stop):
        assert run_together(children, os.environ, tmp_path / "logs", "ready", IMPATIENT) == 0
    assert seen[2] != seen[0]
    assert seen[3] == seen[1]
    assert all(is_gone(pid) for pid in seen)


def test_what_outlives_its_killed_parent_goes_on_and_ends_with_the_rest(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("studio_pipeline.cli.supervisor.STOP_SECONDS", 1.0)
    grandchild = tmp_path / "grandchild"
    child = Child("parent", python(PARENT_OF_ONE, str(grandchild)), None)
    seen: list[int] = []

    def kill_and_stop() -> None:
        seen.append(wait_for(grandchild))
        parent = subprocess.run(["ps", "-o", "ppid=", "-p", str(seen[0])], capture_output=True, check=True)
        grandchild.unlink()
        os.kill(int(parent.stdout), signal.SIGKILL)
        wait_for(grandchild)
        assert not is_gone(seen[0])
        os.kill(os.getpid(), signal.SIGTERM)

    with meanwhile(kill_and_stop):
        assert run_together([child], os.environ, tmp_path / "logs", "ready", IMPATIENT) == 0
    assert is_gone(seen[0])


@pytest.mark.parametrize(
    ("before", "lived_seconds", "quick_ends", "wait_seconds"),
    [
        (0, 100.0, 0, 0.5),
        (0, 1.0, 1, 0.5),
        (1, 29.9, 2, 1.0),
        (3, 0.0, 4, 4.0),
        (4, 0.0, 5, None),
        (4, 30.0, 0, 0.5),
    ],
)
def test_when_a_child_is_started_again(before, lived_seconds, quick_ends, wait_seconds) -> None:
    rules = RestartConfig()
    assert rules.quick_ends(before, lived_seconds) == quick_ends
    assert rules.wait_seconds(quick_ends) == wait_seconds
    assert RestartConfig(most_quick=99).wait_seconds(90) == 30.0


def test_ready_is_said_once_the_address_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    child = Child("server", python(SERVER, str(port)), f"http://127.0.0.1:{port}/")
    assert run_together([child], os.environ, tmp_path / "logs", "all is up", RestartConfig(most_quick=1)) == 1
    assert "all is up" in capsys.readouterr().out


def test_no_child_outlives_a_start_that_fails(tmp_path: Path) -> None:
    pid_file = tmp_path / "first"
    first = Child("first", python(SLEEPER, str(pid_file)), None)
    missing = Child("missing", [str(tmp_path / "no-such-program")], None)
    with pytest.raises(FileNotFoundError):
        run_together([first, missing], os.environ, tmp_path / "logs", "ready")
    if pid_file.exists() and pid_file.read_text():
        assert is_gone(int(pid_file.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a dead parent")
def test_children_end_where_the_parent_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"""
from pathlib import Path
from studio_pipeline.cli.supervisor import Child, run_together
child = Child("sleeper", {python(SLEEPER, str(pid_file))!r}, None)
run_together([child], {dict(os.environ)!r}, Path({str(tmp_path)!r}), "ready")
"""
    parent = subprocess.Popen(python(code), stdout=subprocess.DEVNULL)
    pid = wait_for(pid_file)
    assert not is_gone(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: is_gone(pid), seconds=10)
