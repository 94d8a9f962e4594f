"""`/predict`: forward predictions, batches of them, and plans for a target revenue."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from serving.answers.batch import answer_batch
from serving.routes.requests import Context, StrictRoute, count_as
from serving.schemas.common import NOT_FOUND
from serving.schemas.forward import BatchAnswer, BatchRequest, ForwardAnswer, ForwardRequest
from serving.schemas.inverse import InverseAnswer, InverseRequest

router = APIRouter(prefix="/predict", route_class=StrictRoute)

JSON = "application/json"
BATCH_REQUESTS_PER_COUNT = 10
"""Requests of a batch that count as one for the rate limit: together they cost less than apart."""


@router.post("/forward", tags=["predictions"], response_model=ForwardAnswer, responses=NOT_FOUND)
async def predict_forward(body: ForwardRequest, context: Context) -> Response:
    """Project a studio's revenue, members and retention, with any of the eight levers given."""
    context.caller.visible.require(body.studio_id)
    held = context.services.store.require().for_studio(body.studio_id)
    reply = await context.services.predictions.forward(held, body)
    return Response(reply.content, media_type=JSON)


@router.post("/forward/batch", tags=["predictions"], response_model=BatchAnswer)
async def predict_batch(body: BatchRequest, context: Context) -> Response:
    """Answer up to 1,000 forward requests, each by itself and in order, and their sum if asked for.

    For the rate limit ten of them count as one.
    """
    await count_as(context, len(body.requests) // BATCH_REQUESTS_PER_COUNT)
    services, visible = context.services, context.caller.visible
    held = services.store.require()
    content = await answer_batch(services.recorder, held, visible, body, services.store.shown)
    return Response(content, media_type=JSON)


@router.post("/inverse", tags=["plans"], response_model=InverseAnswer, responses=NOT_FOUND)
async def predict_inverse(body: InverseRequest, context: Context) -> Response:
    """The levers of least cost with which a studio reaches a revenue, proved by a forward answer."""
    context.caller.visible.require(body.studio_id)
    held = context.services.store.require().for_studio(body.studio_id)
    reply = await context.services.predictions.inverse(held, body)
    return Response(reply.content, media_type=JSON)
