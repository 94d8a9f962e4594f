"""`/scenarios`: saved forward requests with their answers, run again and compared."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response

from serving.answers.replies import FastJSONResponse
from serving.answers.scenarios import compared_answer, request_of, rerun_answer, scenario_answer
from serving.model_store import HeldRelease
from serving.routes.requests import Context, StrictRoute, saved_scenario
from serving.schemas.common import NOT_FOUND, StudioId
from serving.schemas.forward import ForwardRequest
from serving.schemas.scenarios import (
    CompareScenariosRequest,
    ComparisonAnswer,
    RerunAnswer,
    SaveScenarioRequest,
    ScenarioAnswer,
    ScenariosAnswer,
)
from serving.services import Services
from studio_pipeline.errors import InputError, UnknownScenarioError
from studio_pipeline.planning.scenarios import compare_forecasts

router = APIRouter(prefix="/scenarios", tags=["scenarios"], route_class=StrictRoute)


@router.post("", status_code=201, response_model=ScenarioAnswer, responses=NOT_FOUND)
async def save_scenario(body: SaveScenarioRequest, context: Context) -> FastJSONResponse:
    """Save a forward request with its answer, or an answer that was given before."""
    if body.request is None:
        asked, answer, release_version = await _earlier(context, body.scenario_id or "")
    else:
        context.caller.visible.require(body.request.studio_id)
        held = context.services.store.require().for_studio(body.request.studio_id)
        asked = body.request.model_dump(mode="json", exclude_unset=True)
        answer, release_version = await _answered(context.services, held, body.request), held.release.version
    saved = await context.services.database.run_writing(
        context.services.scenarios.save, body.name, asked, answer, release_version
    )
    return FastJSONResponse(scenario_answer(saved), 201)


@router.get("", response_model=ScenariosAnswer)
async def list_scenarios(
    context: Context,
    studio_id: StudioId | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> FastJSONResponse:
    """Saved scenarios of the studios that the caller may see, newest first."""
    if studio_id is not None:
        context.caller.visible.require(studio_id)
    allows = context.caller.visible.allows
    services = context.services
    page = await services.database.run(services.scenarios.page, studio_id, allows, limit, cursor)
    found = [scenario_answer(scenario) for scenario in page.scenarios]
    return FastJSONResponse({"scenarios": found, "next_cursor": page.next_cursor})


@router.get("/{scenario_id}", response_model=ScenarioAnswer, responses=NOT_FOUND)
async def get_scenario(scenario_id: str, context: Context) -> FastJSONResponse:
    """One saved scenario."""
    return FastJSONResponse(scenario_answer(await saved_scenario(context, scenario_id)))


@router.delete("/{scenario_id}", status_code=204, responses=NOT_FOUND)
async def delete_scenario(scenario_id: str, context: Context) -> Response:
    """Delete a saved scenario for good."""
    await saved_scenario(context, scenario_id)
    await context.services.database.run_writing(context.services.scenarios.delete, scenario_id)
    return Response(status_code=204)


@router.post("/{scenario_id}/rerun", response_model=RerunAnswer, responses=NOT_FOUND)
async def rerun_scenario(scenario_id: str, context: Context) -> FastJSONResponse:
    """The same request on the release that answers now, beside what was saved; nothing is overwritten."""
    scenario = await saved_scenario(context, scenario_id)
    held = context.services.store.require().for_studio(scenario.studio_id)
    answer = await _answered(context.services, held, request_of(scenario))
    return FastJSONResponse(rerun_answer(scenario, answer, held.release))


@router.post("/compare", response_model=ComparisonAnswer, responses=NOT_FOUND)
async def compare_scenarios(body: CompareScenariosRequest, context: Context) -> FastJSONResponse:
    """Saved scenarios month by month, all run on the release that answers now, beside the first of them."""
    scenarios = [await saved_scenario(context, scenario_id) for scenario_id in body.scenario_ids]
    held = context.services.store.require()
    queries = [request_of(scenario).to_query() for scenario in scenarios]
    comparison = await asyncio.to_thread(compare_forecasts, held.forecaster, queries, body.interval_level)
    return FastJSONResponse(compared_answer(scenarios, comparison, held.release))


async def _answered(services: Services, held: HeldRelease, body: ForwardRequest) -> dict[str, Any]:
    """The forward answer of a request, as the forward route gives it."""
    answer: dict[str, Any] = orjson.loads((await services.predictions.forward(held, body)).content)
    return answer


async def _earlier(context: Context, scenario_id: str) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Request, answer and release number of an answer that was given before."""
    entry = await context.services.database.run(context.services.prediction_log.find, scenario_id)
    if entry is None or not context.caller.visible.allows(entry.studio_id):
        raise UnknownScenarioError(
            f"There is no earlier answer {scenario_id!r}.",
            "Send its `scenario_id` as it was answered, or the request itself.",
        )
    if entry.kind != "forward":
        raise InputError(f"{scenario_id!r} is no answer to a forward request.", "Send a forward `request`.")
    return orjson.loads(entry.inputs), orjson.loads(entry.outputs), entry.release_version
