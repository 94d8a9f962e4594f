"""Answering requests for plans: from the cache where there is one, else made in their turn."""

from __future__ import annotations

from typing import Any

import orjson

from serving.answers.fresh_ids import fresh_id
from serving.answers.replies import Reply, noted, replied
from serving.model_store import HeldRelease
from serving.schemas.inverse import InverseRequest
from serving.services import Services
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.planner import make_plan
from studio_pipeline.planning.inverse.queries import Plan
from studio_pipeline.publishing.releases import Release


async def answer_inverse(services: Services, held: HeldRelease, body: InverseRequest) -> Reply:
    """Answer one request for a plan, and note it. Whether the caller may see the studio is checked before.

    Raises:
        QueryError: the request can't be planned as put.
        BusyError: too many plans are in the making already.
    """

    async def make() -> Reply:
        return await services.planner.run(lambda: _reply(held, body, services.planning))

    reply = await replied(services, "inverse", held, body, make, services.planning, body.stated())
    noted(services, "inverse", body, reply)
    return reply


def _reply(held: HeldRelease, body: InverseRequest, configuration: PlanningConfig) -> Reply:
    answer = inverse_answer(held, body, configuration)
    return Reply(answer["optimization_id"], orjson.dumps(answer), held)


def inverse_answer(
    held: HeldRelease, request: InverseRequest, configuration: PlanningConfig
) -> dict[str, Any]:
    """The JSON of `schemas.inverse.InverseAnswer`; it takes a tenth of a second.

    Raises:
        QueryError: the request can't be planned as put.
        PlanError: the plan breaks its limits, which is a bug.
    """
    return plan_answer(held.release, make_plan(held.forecaster, request.to_query(), configuration))


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
