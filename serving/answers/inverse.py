"""Plans for inverse requests: the thread that makes them, and the fields of their answers.

The planning itself is in ``studio_pipeline.planning``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from serving.answers.replies import Reply, fresh_id
from serving.model_store import HeldRelease
from serving.schemas.inverse import InverseRequest
from studio_pipeline.errors import BusyError
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.planner import make_plan
from studio_pipeline.planning.inverse.queries import Plan
from studio_pipeline.publishing.releases import Release

MOST_WAITING = 32
"""Plans in progress or waiting in one worker; at a tenth of a second each, the last one waits 3 seconds."""

SWITCH_SECONDS = 0.0005
"""Interval in which a plan's thread yields the interpreter to the event loop; with Python's 5 ms a forward
answer beside plans takes several times as long.
"""

Made = TypeVar("Made")


class PlannerPool:
    """Thread in which plans are made, one at a time: they share the interpreter with all other answers.

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
        """The result of `make`, run in the planner's thread.

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


def inverse_reply(held: HeldRelease, body: InverseRequest, configuration: PlanningConfig) -> Reply:
    """The reply to one request; takes about a tenth of a second.

    Raises:
        QueryError: the request can't be planned as put.
        PlanError: the plan breaks its limits, which is a bug.
    """
    plan = make_plan(held.forecaster, body.to_query(), configuration)
    return Reply.of("inverse", plan_answer(held.release, plan), held)


def plan_answer(release: Release, plan: Plan) -> dict[str, Any]:
    """A plan under the release it was made from."""
    return {
        "optimization_id": fresh_id(),
        "base_month": f"{plan.base_month.astype('datetime64[M]')}-01",
        "target_revenue": plan.target_revenue,
        "present_revenue": plan.present_revenue,
        "achievable_revenue": plan.achievable_revenue,
        "achievement_rate": plan.achievement_rate,
        "feasible": plan.feasible,
        "recommended_levers": dict(plan.recommended_levers),
        "lever_changes": {lever: vars(change) for lever, change in plan.lever_changes.items()},
        "action_plan": [vars(action) for action in plan.action_plan],
        "lever_plan": [
            {"from_month": step.from_month, "levers": dict(step.levers)} for step in plan.lever_plan
        ],
        "dated_revenue": plan.dated_revenue,
        "confidence_score": plan.confidence_score,
        "plan_cost": plan.plan_cost,
        "binding_limits": [vars(limit) for limit in plan.binding_limits],
        "alternatives": [
            {**vars(other), "recommended_levers": dict(other.recommended_levers)}
            for other in plan.alternatives
        ],
        "model_version": release.model_version,
        "data_version": release.data_version,
        "warnings": list(plan.warnings),
    }
