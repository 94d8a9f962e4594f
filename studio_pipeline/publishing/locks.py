"""File locks on a STUDIO_HOME: one run, one publication, and one `studio up` at a time.

Each is a file with an advisory lock (flock), which the kernel releases even if its holder is killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio_pipeline.errors import RunInProgressError
from studio_pipeline.publishing.storage import storage_errors

RUN_LOCK = "run.lock"
"""Held for the duration of a pipeline run."""

PUBLISH_LOCK = "publish.lock"
"""Held while a release pointer is replaced."""

UP_LOCK = "up.lock"
"""Held by `studio up`."""

RUN_ID = "run"
"""Key of the Dagster run's id in a lock file."""

PAUSES_SECONDS = (0.0, 0.01, 0.03)
"""Pauses before the attempts to take a lock, since `lock_holder` elsewhere may share it for an instant."""

_REFUSALS = {
    UP_LOCK: ("`studio up` is running on {home} already ({holder}).", "Use that one, or stop it first.")
}
_REFUSAL = (
    "Another run is using {home} ({holder}).",
    "Wait until it ends, or stop it; the lock goes with its process.",
)


@contextmanager
def hold_lock(home: Path, name: str = RUN_LOCK, details: Mapping[str, str] | None = None) -> Iterator[None]:
    """Hold the lock `name` of `home`; the file contains the holder's process id and start time.

    The lock belongs to this call, not to the process: a second call in the same process is refused too.
    `details` are further entries about the holder for the file, such as the Dagster run's id.

    Raises:
        RunInProgressError: the lock is held already; the message names the process id and the start time.
    """
    path = home / name
    with storage_errors(path):
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, path, details or {})
        yield
    finally:
        os.close(descriptor)


def lock_of_run(home: Path, run_id: str) -> AbstractContextManager[None]:
    """`RUN_LOCK` for a Dagster run, with the run's id in the file."""
    return hold_lock(home, details={RUN_ID: run_id})


def lock_holder(home: Path, name: str = RUN_LOCK) -> Mapping[str, Any] | None:
    """The present holder of the lock: `pid`, `started_at` and its details; None if the lock is free.

    A holder that has not written its entries yet is an empty mapping. The check shares the lock for an
    instant, which is why `hold_lock` makes several attempts.
    """
    path = home / name
    if not path.exists():
        return None
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(descriptor)
    finally:
        os.close(descriptor)
    return None


def _take(descriptor: int, path: Path, details: Mapping[str, str]) -> None:
    if not any(_try_to_take(descriptor, pause) for pause in PAUSES_SECONDS):
        what, remedy = _REFUSALS.get(path.name, _REFUSAL)
        holder_text = "it has only just started"
        if holder := _read_holder(descriptor):
            known = [f"process {holder['pid']}", f"started at {holder['started_at']}"]
            more = [f"{name} {value}" for name, value in holder.items() if name not in ("pid", "started_at")]
            holder_text = ", ".join([*known, *more])
        raise RunInProgressError(what.format(home=path.parent, holder=holder_text), remedy)
    holder = {"pid": os.getpid(), "started_at": datetime.now(UTC).isoformat(timespec="seconds"), **details}
    with storage_errors(path):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _try_to_take(descriptor: int, pause_seconds: float) -> bool:
    time.sleep(pause_seconds)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(descriptor: int) -> Mapping[str, Any]:
    """The entries that the holder has written; empty if it has not yet."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) and {"pid", "started_at"} <= set(holder) else {}
