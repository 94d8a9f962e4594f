"""`/predict`: what a studio's next months will be."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, Request

from serving.answers import FastJSONResponse, forward_answer
from serving.context import held_release, services_of, visible_studios
from serving.model_store import HeldRelease
from serving.prediction_entries import forward_entry
from serving.schemas.common import problems
from serving.schemas.forward import ForwardAnswer, ForwardRequest
from serving.services import Services
from studio_pipeline.errors import QueryError

router = APIRouter(prefix="/predict", tags=["predictions"])


@router.post("/forward", response_model=ForwardAnswer, responses=problems(400, 401, 403, 404, 422, 503))
async def predict_forward(body: ForwardRequest, request: Request) -> FastJSONResponse:
    """Project a studio's revenue, members and retention, with any of the eight levers given."""
    visible_studios(request).require(body.studio_id)
    return logged_answer(services_of(request), held_release(request), body)


def logged_answer(services: Services, held: HeldRelease, body: ForwardRequest) -> FastJSONResponse:
    """The forward answer of a request, noted in the log of predictions.

    Raises:
        QueryError: it can't be answered as put.
    """
    # Under a millisecond: cheaper here than on its way to a thread and back.
    (result,) = held.forecaster.forecast([body.to_query()])
    if isinstance(result, QueryError):
        raise result
    answer = forward_answer(held.release, body, result)
    response = FastJSONResponse(answer)
    base_month = date.fromisoformat(answer["base_month"])
    services.predictions.add(
        forward_entry(held.release, body, answer["scenario_id"], base_month, bytes(response.body))
    )
    return response
