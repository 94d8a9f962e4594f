"""Work that goes on beside the requests."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

logger = logging.getLogger(__name__)


LOWERED_PRIORITY = 5
"""A third of the others' turns where they leave none: enough to catch up with them."""

LOW_PRIORITY = 10
"""A tenth of the others' turns where they leave none."""

LOWEST_PRIORITY = 19
"""Next to no turns where others leave none, and nobody waits for this."""


def give_way(priority: int = LOW_PRIORITY) -> None:
    """Let others go before the thread that calls this, for good.

    Where a thread has no priority of its own, as outside of Linux, nothing changes; nor does one that gives
    way further already, as under `nice`: to raise it is not for everybody.
    """
    if sys.platform == "linux":
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, max(priority, os.getpriority(os.PRIO_PROCESS, me)))


@asynccontextmanager
async def in_the_background(work: Coroutine[Any, Any, None], loss: str) -> AsyncIterator[None]:
    """Let something go on beside the requests; say at once what is lost where a bug ends it."""
    task = asyncio.create_task(work)
    task.add_done_callback(partial(report_end, loss))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def report_end(loss: str, task: asyncio.Task[None]) -> None:
    """Say what is lost where a bug has ended a task; whoever waits for it gets the bug too."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        logger.critical("%s; start the service again.", loss, exc_info=fault)
