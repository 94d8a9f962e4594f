"""Forward answers: from the cache where there is one, else from the model; as bytes, each with its own id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import orjson

from serving.answer_cache import AnswerCache
from serving.answer_keys import cache_key, with_fresh_id, without_id
from serving.answers import forward_answer
from serving.model_store import HeldRelease
from serving.prediction_entries import forward_entry
from serving.schemas.forward import ForwardRequest
from serving.services import Services
from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.queries import Forecast

_BASE_MONTH = b'"base_month":"'


@dataclass(frozen=True, slots=True)
class ForwardReply:
    """One forward answer.

    Attributes:
        scenario_id: of this answer alone.
        content: the JSON of `schemas.forward.ForwardAnswer`.
        held: the release that it comes from.
        forecast: what it was made of; None for one from the cache.
    """

    scenario_id: str
    content: bytes
    held: HeldRelease
    forecast: Forecast | None = None

    @property
    def base_month(self) -> date:
        """The last known month of the answer, as its first day."""
        # A quote within a string is written \", so that this name with both quotes is no part of one.
        start = self.content.index(_BASE_MONTH) + len(_BASE_MONTH)
        return date.fromisoformat(self.content[start : start + 10].decode())


async def answer_forward(services: Services, held: HeldRelease, body: ForwardRequest) -> ForwardReply:
    """Answer one forward request, and note it in the log. Whether the caller may see the studio is checked
    before.

    Args:
        services: of the running application.
        held: the release to answer from.
        body: the request.

    Raises:
        QueryError: the request can't be answered as put.
    """
    reply = await _kept_or_computed(services.cache, held, body)
    note(services, body, reply)
    return reply


def note(services: Services, body: ForwardRequest, reply: ForwardReply) -> None:
    """Put an answer into the log of predictions."""
    release = reply.held.release
    services.predictions.add(forward_entry(release, body, reply.scenario_id, reply.base_month, reply.content))


async def _kept_or_computed(
    cache: AnswerCache | None, held: HeldRelease, body: ForwardRequest
) -> ForwardReply:
    """The answer as it was given before, under a new id, or a new one."""
    if cache is None:
        return _computed(held, body)
    key = cache_key("forward", held.release, body)
    if (kept := await cache.get(key)) is not None:
        return ForwardReply(*with_fresh_id("scenario_id", kept), held)
    reply = _computed(held, body)
    await cache.put(key, without_id("scenario_id", reply.content))
    return reply


def _computed(held: HeldRelease, body: ForwardRequest) -> ForwardReply:
    # Under a millisecond: cheaper here than on its way to a thread and back.
    (reply,) = computed_replies(held, [body])
    if isinstance(reply, QueryError):
        raise reply
    return reply


def computed_replies(held: HeldRelease, bodies: Sequence[ForwardRequest]) -> list[ForwardReply | QueryError]:
    """The answers of the model itself, in order; a request that can't be answered gets its error instead."""
    results = held.forecaster.forecast([body.to_query() for body in bodies])
    return [
        result if isinstance(result, QueryError) else _reply(held, body, result)
        for body, result in zip(bodies, results, strict=True)
    ]


def _reply(held: HeldRelease, body: ForwardRequest, forecast: Forecast) -> ForwardReply:
    answer = forward_answer(held.release, body, forecast)
    return ForwardReply(answer["scenario_id"], orjson.dumps(answer), held, forecast)
