"""One run at a time on a STUDIO_HOME: a lock file that the kernel releases however its holder ends."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from studio_pipeline.errors import RunInProgressError
from studio_pipeline.publishing.storage import storage_errors

RUN_LOCK = "run.lock"
"""Held for the length of a pipeline run."""

PUBLISH_LOCK = "publish.lock"
"""Held while a release pointer is replaced."""


@contextmanager
def hold_lock(home: Path, name: str = RUN_LOCK) -> Iterator[None]:
    """Hold the lock `name` of `home`; the file says who holds it and since when.

    The lock belongs to this call, not to the process: a second call in the same process is refused too.

    Raises:
        RunInProgressError: somebody else holds it; the message names the process id and the start time.
        StorageError: the lock file can't be written.
    """
    path = home / name
    with storage_errors(path):
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunInProgressError(
            f"Another run is using {path.parent} ({_holder(descriptor)}).",
            "Wait until it ends, or stop it; the lock goes with its process.",
        ) from error
    holder = {"pid": os.getpid(), "started_at": datetime.now(UTC).isoformat(timespec="seconds")}
    with storage_errors(path):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> str:
    """Who holds the lock, for a message; the holder may not have written its name yet."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {holder['pid']}, started at {holder['started_at']}"
    except (ValueError, KeyError, TypeError):
        return "it has only just started"
