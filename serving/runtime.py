"""Helpers of the running process: background tasks, random bytes for ids, and memory given back."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from os import urandom
from typing import Any

logger = logging.getLogger(__name__)

YOUNG_OBJECTS = 10_000
"""New objects after which garbage is looked for among them; with Python's 700 it took a tenth of a batch."""

CANCEL_SECONDS = 0.05  # time for a task to end; then it is cancelled once more

_ID_BYTES, _IDS_AT_ONCE = 16, 256
_unused: list[bytes] = []


@asynccontextmanager
async def in_the_background(work: Coroutine[Any, Any, None], loss: str) -> AsyncIterator[None]:
    """Let something go on beside the requests; say at once what is lost where a bug ends it."""
    task = asyncio.create_task(work)
    task.add_done_callback(partial(_report_end, loss))
    try:
        yield
    finally:
        # Up to Python 3.11 `asyncio.wait_for`, which libraries use, may swallow a cancellation.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_SECONDS)
        if not task.cancelled():
            task.result()


def _report_end(loss: str, task: asyncio.Task[None]) -> None:
    """Log what is lost if an exception has ended a task."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        logger.critical("%s; start the service again.", loss, exc_info=fault)


def random_bytes() -> bytes:
    """16 bytes that can't be guessed, from the system's source of randomness.

    They are read for many ids at a time: a system call for each would take a twentieth of a request.
    """
    try:
        # Atomic, so that no two threads get the same.
        return _unused.pop()
    except IndexError:
        block = urandom(_ID_BYTES * _IDS_AT_ONCE)
        _unused.extend(block[start : start + _ID_BYTES] for start in range(_ID_BYTES, len(block), _ID_BYTES))
        return block[:_ID_BYTES]


def release_memory() -> None:
    """Collect reference cycles, such as the tables of a replaced release, and return the free heap.

    Without it a third of the memory that loading a release needs for a moment stays with the process; where
    the C library is not glibc the heap is not returned. What is left, the new release and the libraries, is
    kept out of later collections: with it each takes a tenth of a second, as long as a whole batch.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
