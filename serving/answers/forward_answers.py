"""Answering forward requests: from the cache where there is one, else from the model."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from serving.answers.forward_json import forward_answer
from serving.answers.replies import Reply, noted, replied
from serving.model_store import HeldRelease
from serving.schemas.forward import ForwardRequest
from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.base.queries import Forecast

if TYPE_CHECKING:
    # It holds what scores in the shadow, which answers by these functions.
    from serving.services import Services


async def answer_forward(services: Services, held: HeldRelease, body: ForwardRequest) -> Reply:
    """The answer of `forward_reply`, noted in the log."""
    reply = await forward_reply(services, held, body)
    noted(services, "forward", body, reply)
    return reply


async def forward_reply(services: Services, held: HeldRelease, body: ForwardRequest) -> Reply:
    """Answer one forward request. Whether the caller may see the studio is checked before; whoever shows the
    answer has it noted.

    Args:
        services: of the running application.
        held: the release to answer from.
        body: the request.

    Raises:
        QueryError: the request can't be answered as put.
    """

    async def make() -> Reply:
        query, forecaster = body.to_query(), held.forecaster
        if forecaster.is_prepared(query):
            result = await services.turns.forecast(forecaster, query)
        else:
            (result,) = await to_thread(forecaster.forecast, [query])
        if isinstance(result, QueryError):
            raise result
        return _reply(held, body, result)

    return await replied(services, "forward", held, body, make)


def computed_replies(held: HeldRelease, bodies: Sequence[ForwardRequest]) -> list[Reply | QueryError]:
    """The answers of the models themselves, in order, each studio's by the one that answers it; a request
    that can't be answered gets its error instead.
    """
    arms = [held.arm_of(body.studio_id) for body in bodies]
    found: dict[int, Reply | QueryError] = {}
    for arm in (held, held.challenger):
        orders = [order for order, one in enumerate(arms) if one is arm]
        if arm is None or not orders:
            continue
        results = arm.forecaster.forecast([bodies[order].to_query() for order in orders])
        for order, result in zip(orders, results, strict=True):
            found[order] = result if isinstance(result, QueryError) else _reply(arm, bodies[order], result)
    return [found[order] for order in range(len(bodies))]


def _reply(held: HeldRelease, body: ForwardRequest, forecast: Forecast) -> Reply:
    answer = forward_answer(held.release, body, forecast)
    return Reply(answer["scenario_id"], orjson.dumps(answer), held, forecast)
