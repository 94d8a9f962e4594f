"""`/insights`: what moves a studio's revenue, and what could."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from serving.answers import FastJSONResponse
from serving.context import held_release, services_of, visible_studios
from serving.insight_answers import insight_answer, summary_of
from serving.schemas.common import problems
from serving.schemas.insights import InsightsAnswer, InsightsRequest
from serving.strict_json import StrictJsonRoute
from studio_pipeline.planning.facts import studio_facts

router = APIRouter(prefix="/insights", tags=["insights"], route_class=StrictJsonRoute)


@router.post("", response_model=InsightsAnswer, responses=problems(400, 401, 403, 404, 422, 503))
async def explain(body: InsightsRequest, request: Request) -> FastJSONResponse:
    """Explain a studio's forecast: facts, what drives the change, small steps that would pay, and a text."""
    visible_studios(request).require(body.studio_id)
    held, query = held_release(request), body.to_query()
    insight = await asyncio.to_thread(studio_facts, held.forecaster, query)
    summary = await summary_of(insight, query.studio_id, services_of(request).narrator)
    return FastJSONResponse(insight_answer(held.release, query.studio_id, insight, summary))
