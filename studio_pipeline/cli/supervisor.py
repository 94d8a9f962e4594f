"""Supervisor of child processes: starts, restarts and stops them together, each in its own process group.

`commands.up` defines the children; nothing here depends on the programs that they run.
"""

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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

STOP_SECONDS = 10.0
POLL_SECONDS = 0.2
PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@dataclass(frozen=True)
class Child:
    """One program; `name` is also that of its log file, and `ready_url` responds once it is up."""

    name: str
    arguments: Sequence[str]
    ready_url: str | None


def start(child: Child, environment: Mapping[str, str], logs: Path) -> subprocess.Popen[bytes]:
    """Start a child with its own log and process group, that gets a SIGTERM when this process dies."""
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
    """Request a SIGTERM from the kernel when the parent dies, even if it is killed."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def answers(url: str) -> bool:
    """True if a server responds at the URL, with any status."""
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own http URL
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def last_lines(log: Path, count: int = 5) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-count:])


def stop_groups(processes: Collection[subprocess.Popen[bytes]]) -> None:
    """Send SIGTERM to every group; kill what is left after `STOP_SECONDS`."""
    for process in processes:
        _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(group_lives(process) for process in processes):
        time.sleep(POLL_SECONDS / 4)
    for process in processes:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def group_lives(process: subprocess.Popen[bytes]) -> bool:
    """True if a child, or one of its own children, is still running."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


START_SECONDS = 90.0
STOPPED, GIVEN_UP = 0, 1


@dataclass(frozen=True)
class RestartConfig:
    """Restart policy of a child that ended by itself: exponential back-off."""

    quick_seconds: float = 30.0  # an end within this time after the start counts as quick
    most_quick: int = 5  # number of quick ends in a row after which the child is given up
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0

    def quick_ends(self, before: int, lived_seconds: float) -> int:
        """Number of quick ends in a row after one more end."""
        return before + 1 if lived_seconds < self.quick_seconds else 0

    def wait_seconds(self, quick_ends: int) -> float | None:
        """Wait in seconds after this number of quick ends in a row; None to give up."""
        if quick_ends >= self.most_quick:
            return None
        return min(self.first_wait_seconds * 2.0 ** max(quick_ends - 1, 0), self.longest_wait_seconds)


@dataclass
class Supervised:
    """A child that is running or waiting for its restart; times are of the monotonic clock."""

    child: Child
    process: subprocess.Popen[bytes]
    started_at: float
    quick_ends: int = 0
    start_at: float | None = None  # time of the next start; None while it is running
    # Earlier processes whose groups may still be running, such as a run that continues to its end.
    earlier: list[subprocess.Popen[bytes]] = field(default_factory=list)


@dataclass
class Supervisor:
    """Keeps children running until a signal, or until one is given up."""

    environment: Mapping[str, str]
    logs: Path
    rules: RestartConfig
    running: list[Supervised] = field(default_factory=list)

    def start(self, child: Child) -> None:
        """Start a child for the first time."""
        process = start(child, self.environment, self.logs)
        self.running.append(Supervised(child, process, time.monotonic()))

    def look(self) -> bool:
        """Restart children that are due; returns False once a child is given up."""
        return all(self._look_at(one) for one in self.running)

    def stop(self) -> None:
        """Stop every group that was started and is still running."""
        stop_groups([process for one in self.running for process in (*one.earlier, one.process)])

    def _look_at(self, one: Supervised) -> bool:
        if one.start_at is None:
            return one.process.poll() is None or self._plan_restart(one)
        if time.monotonic() >= one.start_at:
            one.earlier = [process for process in (*one.earlier, one.process) if group_lives(process)]
            one.process = start(one.child, self.environment, self.logs)
            one.started_at, one.start_at = time.monotonic(), None
        return True

    def _plan_restart(self, one: Supervised) -> bool:
        now = time.monotonic()
        one.quick_ends = self.rules.quick_ends(one.quick_ends, now - one.started_at)
        wait_seconds = self.rules.wait_seconds(one.quick_ends)
        ended = f"{one.child.name} ended with status {one.process.returncode}"
        if wait_seconds is not None:
            one.start_at = now + wait_seconds
            click.secho(f"{ended}: it is started again.", fg="yellow", err=True)
            return True
        quick = f"{one.quick_ends} times in a row soon after its start"
        click.secho(f"{ended}, {quick}, so all are stopped.", fg="red", err=True)
        log = self.logs / f"{one.child.name}.log"
        click.echo(f"{last_lines(log)}\nIts log: {log}", err=True)
        return False


def run_together(
    children: Sequence[Child],
    environment: Mapping[str, str],
    logs: Path,
    ready_message: str,
    rules: RestartConfig | None = None,
) -> int:
    """Start all children, print once that they are ready, keep them running until a signal, then stop them.

    Those that don't respond within `START_SECONDS` are named once. The exit status is 0 after SIGINT, SIGTERM
    or SIGHUP, and 1 if a child was given up.
    """
    logs.mkdir(parents=True, exist_ok=True)
    supervisor, received = Supervisor(environment, logs, rules or RestartConfig()), list[int]()
    previous = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        for child in children:
            supervisor.start(child)
        waiting, is_waiting = {child.ready_url for child in children if child.ready_url}, True
        deadline = time.monotonic() + START_SECONDS
        while not received:
            if not supervisor.look():
                return GIVEN_UP
            if is_waiting:
                waiting = {url for url in waiting if not answers(url)}
                is_waiting = bool(waiting) and time.monotonic() < deadline
                if not waiting:
                    click.echo(ready_message)
                for url in () if is_waiting else sorted(waiting):
                    click.secho(f"{url} does not answer yet.", fg="yellow", err=True)
            time.sleep(POLL_SECONDS)
        return STOPPED
    finally:
        supervisor.stop()
        for number, handler in previous.items():
            signal.signal(number, handler)
