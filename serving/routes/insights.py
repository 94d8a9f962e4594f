"""`/insights`: drivers of a studio's revenue change, and recommendations."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter

from serving.answers.insights import insight_answer, summary_of
from serving.answers.replies import FastJSONResponse
from serving.answers.scenarios import request_of
from serving.routes.requests import Context, StrictRoute, saved_scenario
from serving.schemas.common import NOT_FOUND
from serving.schemas.insights import InsightsAnswer, InsightsRequest
from serving.storage.scenarios import unknown_scenario
from studio_pipeline.planning.insights.facts import studio_facts

router = APIRouter(prefix="/insights", tags=["insights"], route_class=StrictRoute)


@router.post("", response_model=InsightsAnswer, responses=NOT_FOUND)
async def explain(body: InsightsRequest, context: Context) -> FastJSONResponse:
    """Explain a studio's forecast: facts, what drives the change, small steps that would pay, and a text."""
    context.caller.visible.require(body.studio_id)
    held = context.services.store.require().for_studio(body.studio_id)
    query = body.to_query()
    if body.scenario_id is not None:
        scenario = await saved_scenario(context, body.scenario_id)
        if scenario.studio_id != body.studio_id:
            raise unknown_scenario(body.scenario_id)
        query = request_of(scenario).to_query()
    insight = await context.services.planner.run(partial(studio_facts, held.forecaster, query))
    summary = await summary_of(insight, query.studio_id, context.services.narrator)
    return FastJSONResponse(insight_answer(held.release, body, insight, summary))
