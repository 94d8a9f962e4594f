"""Deadlines of many requests, looked at once a second: a timer for each costs more than the guards do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_SECONDS = 1.0


class Deadline:
    """Until when a task may run."""

    def __init__(self, task: asyncio.Task[object], at: float) -> None:
        self._task = task
        self._cancelled_before = task.cancelling()
        self.at = at
        self.missed = False

    def give_up(self) -> None:
        """Interrupt the task, which finds itself cancelled."""
        self.missed = True
        self._task.cancel()

    def take_back(self) -> bool:
        """Whether the task was cancelled for its deadline and nothing else; then it is so no longer."""
        return self.missed and self._task.uncancel() <= self._cancelled_before


class Deadlines:
    """Gives up what takes too long, within a second."""

    def __init__(self) -> None:
        self._running: set[Deadline] = set()
        self._looking = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[Deadline]:
        """Let the current task do what follows for so long; its deadline may be moved meanwhile.

        Raises:
            TimeoutError: the deadline was missed.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        deadline = Deadline(task, asyncio.get_running_loop().time() + seconds)
        self._running.add(deadline)
        self._look_later()
        try:
            yield deadline
        except asyncio.CancelledError:
            if deadline.take_back():
                raise TimeoutError from None
            raise
        finally:
            self._running.discard(deadline)

    def _look_later(self) -> None:
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = False
        now = asyncio.get_running_loop().time()
        for deadline in self._running:
            if deadline.at < now and not deadline.missed:
                deadline.give_up()
        if self._running:
            self._look_later()
