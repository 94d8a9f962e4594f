"""`/predict/inverse`: what to change to reach a revenue."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request

from serving.answers import FastJSONResponse
from serving.context import held_release, services_of, visible_studios
from serving.inverse_answers import inverse_answer
from serving.schemas.common import problems
from serving.schemas.inverse import InverseAnswer, InverseRequest

router = APIRouter(prefix="/predict", tags=["plans"])


@router.post("/inverse", response_model=InverseAnswer, responses=problems(400, 401, 403, 404, 422, 503))
async def predict_inverse(body: InverseRequest, request: Request) -> FastJSONResponse:
    """The levers of least cost with which a studio reaches a revenue, proved by a forward answer."""
    visible_studios(request).require(body.studio_id)
    held, services = held_release(request), services_of(request)
    make = partial(inverse_answer, held, body, services.planning)
    return FastJSONResponse(await services.planner.run(make))
