"""`/predict`: what a studio's next months will be."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.answers.forward_answers import answer_forward
from serving.context import held_release, services_of, visible_studios
from serving.guards.strict_route import StrictRoute
from serving.schemas.common import problems
from serving.schemas.forward import ForwardAnswer, ForwardRequest

PATH = "/predict/forward"

router = APIRouter(tags=["predictions"], route_class=StrictRoute)


@router.post(PATH, response_model=ForwardAnswer, responses=problems(400, 401, 403, 404, 422, 503))
async def predict_forward(body: ForwardRequest, request: Request) -> Response:
    """Project a studio's revenue, members and retention, with any of the eight levers given."""
    return Response(await forward_content(body, request), media_type="application/json")


async def forward_content(body: ForwardRequest, request: Request) -> bytes:
    """The JSON of the answer to a caller."""
    visible_studios(request).require(body.studio_id)
    held = held_release(request).arm_of(body.studio_id)
    return (await answer_forward(services_of(request), held, body)).content
