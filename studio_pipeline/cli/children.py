"""Child processes that start and end together: each in a group of its own, so that none stays behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

START_SECONDS = 90.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.2
PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@dataclass(frozen=True)
class Child:
    """One program.

    Attributes:
        name: also the name of its log file.
        arguments: the command line.
        ready_url: answers 200 once it is up; None where nothing tells.
    """

    name: str
    arguments: Sequence[str]
    ready_url: str | None


@dataclass
class Stop:
    """Whether a signal asked to stop."""

    asked: bool = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self.asked = True


def run_together(
    children: Sequence[Child], environment: Mapping[str, str], logs: Path, ready_message: str
) -> int:
    """Start all, say when they are ready, and wait for a signal or the end of any; then stop all.

    Answers the exit status: 0 after SIGINT or SIGTERM, 1 where a child ended by itself.
    """
    logs.mkdir(parents=True, exist_ok=True)
    stop = Stop()
    previous = {
        number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for child in children:
            running[child.name] = _start(child, environment, logs)
        if _wait_until_ready(children, running, stop):
            click.echo(ready_message)
        return _wait(running, stop, logs)
    finally:
        _stop_all(running)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _start(child: Child, environment: Mapping[str, str], logs: Path) -> subprocess.Popen[bytes]:
    with (logs / f"{child.name}.log").open("ab") as log:
        return subprocess.Popen(
            list(child.arguments),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads yet
        )


def _end_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent dies, however it dies."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _wait_until_ready(
    children: Sequence[Child], running: Mapping[str, subprocess.Popen[bytes]], stop: Stop
) -> bool:
    waiting = {child.ready_url for child in children if child.ready_url}
    deadline = time.monotonic() + START_SECONDS
    while waiting and time.monotonic() < deadline:
        if stop.asked or _ended(running):
            return False
        waiting = {url for url in waiting if not _answers(url)}
        time.sleep(POLL_SECONDS)
    for url in waiting:
        click.secho(f"{url} does not answer yet.", fg="yellow", err=True)
    return not waiting


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own http URL
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _wait(running: Mapping[str, subprocess.Popen[bytes]], stop: Stop, logs: Path) -> int:
    while not stop.asked:
        if name := _ended(running):
            status = running[name].returncode
            click.secho(f"{name} ended with status {status}, so the others are stopped.", fg="red", err=True)
            click.echo(_last_lines(logs / f"{name}.log"), err=True)
            click.echo(f"Its log: {logs / f'{name}.log'}", err=True)
            return 1
        time.sleep(POLL_SECONDS)
    return 0


def _ended(running: Mapping[str, subprocess.Popen[bytes]]) -> str | None:
    return next((name for name, process in running.items() if process.poll() is not None), None)


def _last_lines(log: Path, count: int = 5) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-count:])


def _stop_all(running: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Ask every group to end; kill what is left of it after a while."""
    for process in running.values():
        _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(_group_lives(process) for process in running.values()):
        time.sleep(POLL_SECONDS / 4)
    for process in running.values():
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
