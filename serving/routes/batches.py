"""`/predict/forward/batch`: many forward predictions at once."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.answers.batch_answers import answer_batch
from serving.context import count_as, held_release, services_of, visible_studios
from serving.guards.strict_route import StrictRoute
from serving.schemas.batch import BatchAnswer, BatchRequest
from serving.schemas.common import problems

REQUESTS_AS_ONE = 10
"""For the rate limit, so many requests of a batch are one: together they cost less than apart."""

router = APIRouter(prefix="/predict", tags=["predictions"], route_class=StrictRoute)


@router.post("/forward/batch", response_model=BatchAnswer, responses=problems(400, 401, 403, 422, 503))
async def predict_batch(body: BatchRequest, request: Request) -> Response:
    """Answer up to 1,000 forward requests, each by itself and in order, and their sum if asked for.

    For the rate limit ten of them count as one.
    """
    await count_as(request, len(body.requests) // REQUESTS_AS_ONE)
    services, held = services_of(request), held_release(request)
    content = await answer_batch(services, held, visible_studios(request), body)
    return Response(content, media_type="application/json")
