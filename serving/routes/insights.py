"""`/insights`: what moves a studio's revenue, and what could."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request

from serving.answers.forward_json import FastJSONResponse
from serving.answers.insight_answers import insight_answer, summary_of
from serving.answers.scenario_answers import request_of
from serving.context import held_release, saved_scenario, services_of, visible_studios
from serving.guards.strict_route import StrictRoute
from serving.records.scenario_store import unknown_scenario
from serving.schemas.common import problems
from serving.schemas.insights import InsightsAnswer, InsightsRequest
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.planning.insights.facts import studio_facts

router = APIRouter(prefix="/insights", tags=["insights"], route_class=StrictRoute)


@router.post("", response_model=InsightsAnswer, responses=problems(400, 401, 403, 404, 422, 503))
async def explain(body: InsightsRequest, request: Request) -> FastJSONResponse:
    """Explain a studio's forecast: facts, what drives the change, small steps that would pay, and a text."""
    visible_studios(request).require(body.studio_id)
    held = held_release(request).arm_of(body.studio_id)
    services, query = services_of(request), await _query(request, body)
    insight = await services.planner.run(partial(studio_facts, held.forecaster, query))
    summary = await summary_of(insight, query.studio_id, services.narrator)
    return FastJSONResponse(insight_answer(held.release, body, insight, summary))


async def _query(request: Request, body: InsightsRequest) -> ForwardQuery:
    """What is to be explained: a studio as it is, or a saved scenario of it.

    Raises:
        UnknownScenarioError: the studio has no such scenario that the caller may see.
    """
    if body.scenario_id is None:
        return body.to_query()
    scenario = await saved_scenario(request, body.scenario_id)
    if scenario.studio_id != body.studio_id:
        raise unknown_scenario(body.scenario_id)
    return request_of(scenario).to_query()
