"""Answering of forward and inverse requests: from the cache or the model, recorded in the prediction log.

Access to the studio is checked by the routes.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from serving.answers.forward import forward_reply
from serving.answers.inverse import PlannerPool, inverse_reply
from serving.answers.recording import AnswerRecorder
from serving.answers.replies import Body, Kind, Reply
from serving.cache.answer_cache import AnswerCache, cache_key
from serving.model_store import HeldRelease
from serving.schemas.forward import ForwardRequest
from serving.schemas.inverse import InverseRequest
from studio_pipeline.errors import QueryError
from studio_pipeline.planning.configuration import PlanningConfig


class Predictions:
    """Answers single requests.

    Raises:
        QueryError: the request can't be answered or planned as put.
        BusyError: too many plans are in progress.
    """

    def __init__(
        self,
        cache: AnswerCache | None,
        recorder: AnswerRecorder,
        planner: PlannerPool,
        planning: PlanningConfig,
    ) -> None:
        self._cache, self._recorder, self._planner, self._planning = cache, recorder, planner, planning

    async def forward(self, held: HeldRelease, body: ForwardRequest) -> Reply:
        """Answer one forward request."""

        async def make() -> Reply:
            query, forecaster = body.to_query(), held.forecaster
            if forecaster.is_prepared(query):
                (forecast,) = forecaster.forecast([query])
            else:
                (forecast,) = await to_thread(forecaster.forecast, [query])
            if isinstance(forecast, QueryError):
                raise forecast
            return forward_reply(held, body, forecast)

        return await self._cached_or_made("forward", held, make, body)

    async def inverse(self, held: HeldRelease, body: InverseRequest) -> Reply:
        """Answer one request for a plan."""

        async def make() -> Reply:
            return await self._planner.run(lambda: inverse_reply(held, body, self._planning))

        return await self._cached_or_made("inverse", held, make, body, self._planning, body.stated())

    async def _cached_or_made(
        self,
        kind: Kind,
        held: HeldRelease,
        make: Callable[[], Awaitable[Reply]],
        body: Body,
        *key_parts: BaseModel,
    ) -> Reply:
        """The cached answer under a new id, or a new answer, which is cached; recorded in either case."""
        if self._cache is None:
            reply = await make()
        else:
            key = cache_key(kind, held.release, body, *key_parts)
            if (content := await self._cache.get(key)) is not None:
                reply = Reply.cached(kind, body, held, content)
            else:
                reply = await make()
                await self._cache.put(key, reply.content)
        self._recorder.record(reply)
        return reply
