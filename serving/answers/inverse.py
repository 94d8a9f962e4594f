"""Plans for inverse requests: the thread that makes them, and their replies."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.answers.replies import Reply, fresh_id
from serving.model_store import HeldRelease
from serving.schemas.inverse import InverseAnswer, InverseRequest
from studio_pipeline.errors import BusyError
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.planner import make_plan

MOST_WAITING = 32
"""Plans in progress or waiting in one worker; at a tenth of a second each, the last one waits 3 seconds."""

SWITCH_SECONDS = 0.0005
"""Interval in which a plan's thread yields the interpreter to the event loop; with Python's 5 ms a forward
answer beside plans takes several times as long.
"""

Made = TypeVar("Made")


class PlannerPool:
    """Thread in which plans are made, one at a time: they share the interpreter with all other answers."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(1, "planner")
        self.waiting = 0  # plans that are made or wait now
        self._usual_switch_seconds = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)

    async def run(self, make: Callable[[], Made]) -> Made:
        """The result of `make`, run in the planner's thread.

        Raises:
            BusyError: too many wait already.
        """
        if self.waiting >= self._most_waiting:
            raise BusyError(f"{self.waiting} plans are in the making already.", "Ask again in a few seconds.")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, make)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Finish the plan that is made, and forget those that wait."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        sys.setswitchinterval(self._usual_switch_seconds)


def inverse_reply(held: HeldRelease, body: InverseRequest, configuration: PlanningConfig) -> Reply:
    """The reply to one request; takes about a tenth of a second.

    Raises:
        QueryError: the request can't be planned as put.
        PlanError: the plan breaks its limits, which is a bug.
    """
    plan, release = make_plan(held.forecaster, body.to_query(), configuration), held.release
    fields = vars(plan) | {
        "optimization_id": fresh_id(),
        "base_month": f"{plan.base_month.astype('datetime64[M]')}-01",
        "achievement_rate": plan.achievement_rate,
        "model_version": release.model_version,
        "data_version": release.data_version,
    }
    return Reply.of("inverse", body, held, {name: fields[name] for name in InverseAnswer.model_fields})
