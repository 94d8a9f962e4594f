"""Locks on a STUDIO_HOME: one run, and one `studio up`, at a time.

Each is a file whose lock the kernel releases however its holder ends.
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
"""Held for the length of a pipeline run."""

PUBLISH_LOCK = "publish.lock"
"""Held while a release pointer is replaced."""


UP_LOCK = "up.lock"
"""Held by `studio up`."""

RUN_ID = "run"
"""What a lock file calls the Dagster run's id."""

PAUSES_SECONDS = (0.0, 0.01, 0.03)
"""Before each try to take a lock: somebody may just be looking at it."""

_REFUSALS = {
    UP_LOCK: ("`studio up` is running on {home} already ({holder}).", "Use that one, or stop it first."),
}
_REFUSAL = (
    "Another run is using {home} ({holder}).",
    "Wait until it ends, or stop it; the lock goes with its process.",
)


@contextmanager
def hold_lock(home: Path, name: str = RUN_LOCK, details: Mapping[str, str] | None = None) -> Iterator[None]:
    """Hold the lock `name` of `home`; the file says who holds it and since when.

    The lock belongs to this call, not to the process: a second call in the same process is refused too.

    Args:
        home: the STUDIO_HOME.
        name: of the lock file.
        details: what else the file says of its holder, such as the Dagster run's id.

    Raises:
        RunInProgressError: somebody else holds it; the message names the process id and the start time.
        StorageError: the lock file can't be written.
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
    """`RUN_LOCK` for a Dagster run, whose id the file holds."""
    return hold_lock(home, details={RUN_ID: run_id})


def lock_holder(home: Path, name: str = RUN_LOCK) -> Mapping[str, Any] | None:
    """Who holds the lock now: `pid`, `started_at` and its details; None where nobody does.

    A holder that has not written its name yet is an empty mapping. Looking shares the lock for an instant,
    which is why those who take it try more than once.

    Raises:
        StorageError: the lock file can't be read.
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
        told = _told(_read_holder(descriptor))
        raise RunInProgressError(what.format(home=path.parent, holder=told), remedy)
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
    """What the holder has written; nothing where it has not yet."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) and {"pid", "started_at"} <= set(holder) else {}


def _told(holder: Mapping[str, Any]) -> str:
    if not holder:
        return "it has only just started"
    others = [f"{name} {value}" for name, value in holder.items() if name not in ("pid", "started_at")]
    return ", ".join([f"process {holder['pid']}", f"started at {holder['started_at']}", *others])
