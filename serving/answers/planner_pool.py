"""Plans are made beside the event loop: one at a time, since they share the interpreter with all other
answers, and with a short line.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from studio_pipeline.errors import BusyError

MOST_WAITING = 32
"""Plans that are made or wait in one worker; at a tenth of a second each, the last one waits 3 seconds."""

SWITCH_SECONDS = 0.0005
"""How long a plan's thread may hold the interpreter while the event loop waits for it; Python's own 5 ms
would be paid several times in each answer.
"""

Made = TypeVar("Made")


class PlannerPool:
    """The thread that plans are made in.

    Args:
        most_waiting: plans that are made or wait at most.
    """

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(1, "planner")
        self._waiting = 0
        self._usual_switch_seconds = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)

    @property
    def waiting(self) -> int:
        """Plans that are made or wait now."""
        return self._waiting

    async def run(self, make: Callable[[], Made]) -> Made:
        """What `make` returns, made in its turn.

        Raises:
            BusyError: too many wait already.
        """
        if self._waiting >= self._most_waiting:
            raise BusyError(
                f"{self._waiting} plans are in the making already.", "Ask again in a few seconds."
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, make)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Finish the plan that is made, and forget those that wait."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        sys.setswitchinterval(self._usual_switch_seconds)
