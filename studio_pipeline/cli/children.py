"""Child processes, each in a group of its own, so that none of its own children stays behind."""

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
from dataclasses import dataclass
from pathlib import Path

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


def start(child: Child, environment: Mapping[str, str], logs: Path) -> subprocess.Popen[bytes]:
    """Start a child that writes into its log, leads a group, and is asked to end when this process dies."""
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


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own http URL
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log."""
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-count:])


def stop_groups(processes: Collection[subprocess.Popen[bytes]]) -> None:
    """Ask every group to end; kill what is left of it after a while."""
    for process in processes:
        _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(group_lives(process) for process in processes):
        time.sleep(POLL_SECONDS / 4)
    for process in processes:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def group_lives(process: subprocess.Popen[bytes]) -> bool:
    """Whether a child, or one of its own children, still runs."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
