"""`/predict/inverse`: what to change to reach a revenue."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.answers.inverse_answers import answer_inverse
from serving.context import held_release, services_of, visible_studios
from serving.guards.strict_route import StrictRoute
from serving.schemas.common import problems
from serving.schemas.inverse import InverseAnswer, InverseRequest

router = APIRouter(prefix="/predict", tags=["plans"], route_class=StrictRoute)


@router.post("/inverse", response_model=InverseAnswer, responses=problems(400, 401, 403, 404, 422, 503))
async def predict_inverse(body: InverseRequest, request: Request) -> Response:
    """The levers of least cost with which a studio reaches a revenue, proved by a forward answer."""
    visible_studios(request).require(body.studio_id)
    held = held_release(request).arm_of(body.studio_id)
    reply = await answer_inverse(services_of(request), held, body)
    return Response(reply.content, media_type="application/json")
