"""Batches of forward requests, each validated and answered or refused by itself, and their sum.

Runs on the event loop in small groups, so that other requests are answered in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from serving.answers.forward import Answered, forward_replies
from serving.answers.recording import AnswerRecorder
from serving.answers.replies import Reply
from serving.errors import field_problems, status_of
from serving.guards.access import RefusedError, Visibility
from serving.model_store import HeldRelease
from serving.schemas.forward import BatchRequest, ForwardRequest
from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.base.queries import Forecast

MOST_AT_ONCE = 100
TURN_SECONDS = 0.01
"""Time of a core for a group of a batch's requests before the event loop serves other callers. On a machine
that is busy with something else, smaller groups would only make the whole batch dearer.
"""

Shown = Callable[[str], str]

Refused = Mapping[str, object]
"""The status of a request that can't be answered, and its detail."""


async def answer_batch(
    recorder: AnswerRecorder, held: HeldRelease, visible: Visibility, batch: BatchRequest, shown: Shown
) -> bytes:
    """The JSON of `schemas.forward.BatchAnswer`; `shown` makes the message of an error fit for an answer.

    Nothing is taken from the cache: together, answers cost little more than looking for them there.
    Each answer goes into the log of predictions.
    """
    contents: list[bytes] = []
    replies: list[Reply] = []
    summed: list[Forecast] = []
    at_once = 1
    while some := batch.requests[len(contents) : len(contents) + at_once]:
        start = time.thread_time()
        checked = [_checked(visible, place, item) for place, item in enumerate(some, len(contents))]
        for answer in _answered(held, checked, shown):
            if isinstance(answer, tuple):
                reply, forecast = answer
                contents.append(reply.content)
                replies.append(reply)
                # A forecast is many small objects, which the search for garbage would go through.
                if batch.aggregate:
                    summed.append(forecast)
            else:
                contents.append(orjson.dumps({"error": answer}))
        # A studio without history takes fifty times as long as one with prepared months.
        share = TURN_SECONDS / (time.thread_time() - start)
        at_once = max(1, min(MOST_AT_ONCE, int(at_once * share)))
        await asyncio.sleep(0)
    # Only now: the log's thread would take turns with the answers that are still to be made.
    for reply in replies:
        recorder.record(reply)
    responses = b",".join(contents)
    if not batch.aggregate:
        return b'{"responses":[%b]}' % responses
    aggregate = orjson.dumps(await _aggregate(held, summed, len(contents), batch.interval_level))
    return b'{"responses":[%b],"aggregate":%b}' % (responses, aggregate)


def _checked(visible: Visibility, place: int, item: Any) -> ForwardRequest | Refused:
    """The request at a place of the batch, or why it is none, or not for this caller."""
    try:
        request = ForwardRequest.model_validate(item)
        visible.require(request.studio_id)
    except ValidationError as error:
        problems = [
            {**problem, "loc": ("body", "requests", place, *problem["loc"])}
            for problem in error.errors(include_url=False)
        ]
        return {"status": 422, "detail": field_problems(problems)}
    except RefusedError as denied:
        return {"status": denied.status, "detail": denied.detail}
    return request


def _answered(
    held: HeldRelease, checked: Sequence[ForwardRequest | Refused], shown: Shown
) -> Iterator[Answered | Refused]:
    """Answers of the valid requests, in the places of all; refusals stay."""
    replies = iter(forward_replies(held, [one for one in checked if isinstance(one, ForwardRequest)]))
    for one in checked:
        answer = next(replies) if isinstance(one, ForwardRequest) else one
        if isinstance(answer, QueryError):
            answer = {"status": status_of(answer), "detail": shown(str(answer))}
        yield answer


async def _aggregate(
    held: HeldRelease, summed: Sequence[Forecast], n_answers: int, level: float
) -> dict[str, Any] | None:
    """The JSON of `schemas.forward.AggregateAnswer`."""
    if not summed:
        return None
    # Draws of a thousand studios take a tenth of a second, nearly all of it in NumPy.
    sums = await asyncio.to_thread(held.forecaster.summed, summed, level)
    n_summed, refused = len(summed), n_answers - len(summed)
    warnings = {
        f"{refused} of {n_answers} requests are refused and not in the sum.": refused > 0,
        "Not all answers project the same months; each month is the sum over those that do.": bool(
            (sums.answers != n_summed).any()
        ),
        f"{n_summed} answers are of {sums.studios} studios: a studio counts once for each of its answers.": (
            sums.studios < n_summed
        ),
    }
    names = ("month", "answers", "revenue", "confidence_interval")
    months = [f"{month}-01" for month in sums.months.astype(str)]
    rows = zip(months, sums.answers.tolist(), sums.revenue.tolist(), sums.intervals.tolist(), strict=True)
    return {
        "answers": n_summed,
        "studios": sums.studios,
        "interval_level": level,
        "months": [dict(zip(names, row, strict=True)) for row in rows],
        "total_projected_revenue": sums.total_revenue,
        "total_confidence_interval": sums.total_interval,
        "warnings": [sentence for sentence, holds in warnings.items() if holds],
    }
