"""Answered predictions: bytes with an id of their own, kept for those who ask again, noted in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from serving.cache.answer_cache import AnswerCache
from serving.cache.answer_keys import cache_key, with_fresh_id, without_id
from serving.model_store import HeldRelease
from serving.records.logged_prediction import LoggedPrediction
from serving.records.prediction_log import PredictionLog
from serving.schemas.forward import ForwardRequest
from serving.schemas.inverse import InverseRequest
from studio_pipeline.forecasting.base.queries import Forecast

if TYPE_CHECKING:
    # It holds what scores in the shadow, which answers by these functions.
    from serving.services import Services

Kind = Literal["forward", "inverse"]

ID_FIELDS: dict[Kind, str] = {"forward": "scenario_id", "inverse": "optimization_id"}
"""The first field of each kind of answer."""

_BASE_MONTH = b'"base_month":"'


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        id: of this answer alone.
        content: its JSON, which begins with the id.
        held: the release that it comes from.
        forecast: what a forward answer was made of; None for a plan, and for one that was kept.
    """

    id: str
    content: bytes
    held: HeldRelease
    forecast: Forecast | None = None

    @property
    def base_month(self) -> date:
        """The last known month of the answer, as its first day."""
        # A quote within a string is written \", so that this name with both quotes is no part of one.
        start = self.content.index(_BASE_MONTH) + len(_BASE_MONTH)
        return date.fromisoformat(self.content[start : start + 10].decode())


async def replied(
    services: Services,
    kind: Kind,
    held: HeldRelease,
    body: ForwardRequest | InverseRequest,
    make: Callable[[], Awaitable[Reply]],
    *context: BaseModel,
) -> Reply:
    """The answer as it was given before, under a new id, or a new one, kept from now on. Whoever shows it
    has it noted.

    Args:
        services: of the running application.
        kind: of the answer.
        held: the release to answer from.
        body: the request.
        make: a new answer.
        context: what the answer depends on besides request and release.
    """
    if services.cache is None:
        return await make()
    key = cache_key(kind, held.release, body, *context)
    return await _kept_or_made(services.cache, key, kind, held, make)


async def _kept_or_made(
    cache: AnswerCache, key: str, kind: Kind, held: HeldRelease, make: Callable[[], Awaitable[Reply]]
) -> Reply:
    field = ID_FIELDS[kind]
    if (tail := await cache.get(key)) is not None:
        return Reply(*with_fresh_id(field, tail), held)
    reply = await make()
    await cache.put(key, without_id(field, reply.content))
    return reply


def noted(services: Services, kind: Kind, body: ForwardRequest | InverseRequest, reply: Reply) -> None:
    """Put an answer that is shown into the log of predictions, and have it scored by the challenger too."""
    now = datetime.now(UTC)
    services.answers_by_role.counters[reply.held.role] += 1
    note(services.predictions, kind, body, reply, now)
    if isinstance(body, ForwardRequest):
        services.shadow.add(reply.held, body, now)


def note(
    log: PredictionLog,
    kind: Kind,
    body: ForwardRequest | InverseRequest,
    reply: Reply,
    made_at: datetime,
) -> None:
    """Put an answer into the log of predictions; what its request left out is left out there."""
    release = reply.held.release
    log.add(
        LoggedPrediction(
            id=reply.id,
            kind=kind,
            studio_id=body.studio_id,
            base_month=reply.base_month,
            inputs=body.model_dump_json(exclude_unset=True).encode(),
            outputs=reply.content,
            made_at=made_at,
            release_version=release.version,
            model_version=release.model_version,
            data_version=release.data_version,
            role=reply.held.role,
        )
    )
