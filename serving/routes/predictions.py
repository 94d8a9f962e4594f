"""`/predict`: what a studio's next months will be."""

from __future__ import annotations

from fastapi import APIRouter, Request

from serving.answers import FastJSONResponse, forward_answer
from serving.context import held_release, visible_studios
from serving.schemas.common import problems
from serving.schemas.forward import ForwardAnswer, ForwardRequest
from serving.strict_json import StrictJsonRoute
from studio_pipeline.errors import QueryError

router = APIRouter(prefix="/predict", tags=["predictions"], route_class=StrictJsonRoute)


@router.post("/forward", response_model=ForwardAnswer, responses=problems(400, 401, 403, 404, 422, 503))
async def predict_forward(body: ForwardRequest, request: Request) -> FastJSONResponse:
    """Project a studio's revenue, members and retention, with any of the eight levers given."""
    visible_studios(request).require(body.studio_id)
    held = held_release(request)
    # Under a millisecond: cheaper here than on its way to a thread and back.
    (result,) = held.forecaster.forecast([body.to_query()])
    if isinstance(result, QueryError):
        raise result
    return FastJSONResponse(forward_answer(held.release, body, result))
