"""`/predict`: what a studio's next months will be."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.answers.forward_answers import forward_reply
from serving.answers.replies import Reply, noted
from serving.context import held_release, services_of, visible_studios
from serving.guards.strict_route import StrictRoute
from serving.schemas.common import problems
from serving.schemas.forward import ForwardAnswer, ForwardRequest

PATH = "/predict/forward"

router = APIRouter(tags=["predictions"], route_class=StrictRoute)


@router.post(PATH, response_model=ForwardAnswer, responses=problems(400, 401, 403, 404, 422, 503))
async def predict_forward(body: ForwardRequest, request: Request) -> Response:
    """Project a studio's revenue, members and retention, with any of the eight levers given."""
    reply = await reply_to_caller(body, request)
    note_reply(body, request, reply)
    return Response(reply.content, media_type="application/json")


async def reply_to_caller(body: ForwardRequest, request: Request) -> Reply:
    """The answer to a caller, who must be allowed to see the studio."""
    visible_studios(request).require(body.studio_id)
    held = held_release(request).arm_of(body.studio_id)
    return await forward_reply(services_of(request), held, body)


def note_reply(body: ForwardRequest, request: Request, reply: Reply) -> None:
    """Put an answer that was given into the log of predictions."""
    noted(services_of(request), "forward", body, reply)
