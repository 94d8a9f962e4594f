"""Recording of the answers given: prediction log, counts by role, and shadow scores of the challenger.

In the mode `shadow` the challenger answers the same forward requests in a thread, unseen by the caller; its
answers are logged with the same request, base month and time as the champion's.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from serving.answers.forward import forward_replies
from serving.answers.replies import Reply
from serving.model_store import HeldRelease
from serving.schemas.forward import ForwardRequest
from serving.storage.prediction_log import PredictionLog
from studio_pipeline.errors import QueryError

logger = logging.getLogger(__name__)

MOST_WAITING = 2_000  # answers that may wait for their shadow; the next ones are counted and have none
AT_ONCE = 16
CLOSE_SECONDS = 5.0


class _Asked(NamedTuple):
    challenger: HeldRelease
    body: ForwardRequest
    made_at: datetime


class ShadowScorer:
    """Scores forward requests by the challenger, after they have been answered by the champion."""

    def __init__(self, log: PredictionLog) -> None:
        self._log = log
        self._queue: SimpleQueue[_Asked | None] = SimpleQueue()
        # Requests scored, refused by the challenger, and dropped as too many waited.
        self.counters = {"scored": 0, "refused": 0, "dropped": 0}
        self._thread = Thread(target=self._run, name="shadow-scores", daemon=True)

    def start(self) -> None:
        """Begin to score."""
        self._thread.start()

    def add(self, answered: HeldRelease, body: ForwardRequest, made_at: datetime) -> None:
        """Have a request scored that the champion has just answered, at `made_at`; it never waits."""
        if (challenger := answered.shadow) is None:
            return
        if self._queue.qsize() >= MOST_WAITING:
            self.counters["dropped"] += 1
            return
        self._queue.put(_Asked(challenger, body, made_at))

    def close(self) -> None:
        """Finish what is in hand; what still waits is dropped."""
        with suppress(Empty):
            while True:
                self._queue.get_nowait()
                self.counters["dropped"] += 1
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while asked := self._gathered():
            self._score(asked)

    def _gathered(self) -> list[_Asked]:
        """The next group of waiting requests, as soon as there is one; empty at the end."""
        asked: list[_Asked] = []
        while len(asked) < AT_ONCE and not (asked and self._queue.empty()):
            following = self._queue.get()
            if following is None:
                # What was gathered is still scored.
                self._queue.put(None)
                break
            asked.append(following)
        return asked

    def _score(self, asked: list[_Asked]) -> None:
        for challenger in {id(one.challenger): one.challenger for one in asked}.values():
            here = [one for one in asked if one.challenger is challenger]
            try:
                replies = forward_replies(challenger, [one.body for one in here])
            # A challenger that fails is what the experiment is there to find; the champion goes on.
            except Exception:
                logger.exception("The challenger fails on %d requests.", len(here))
                self.counters["refused"] += len(here)
                continue
            for one, reply in zip(here, replies, strict=True):
                if isinstance(reply, QueryError):
                    self.counters["refused"] += 1
                else:
                    self._log.add(reply[0].logged(one.made_at))
                    self.counters["scored"] += 1


class AnswerRecorder:
    """Records every answer that is given to a caller, and counts it by the role of its model."""

    def __init__(self, log: PredictionLog, shadow: ShadowScorer) -> None:
        self._log, self._shadow = log, shadow
        self.counters: dict[str, int] = {"champion": 0, "challenger": 0}

    def record(self, reply: Reply) -> None:
        """Log and count one answer, and let the challenger score it."""
        now = datetime.now(UTC)
        self.counters[reply.held.role] += 1
        self._log.add(reply.logged(now))
        if isinstance(reply.body, ForwardRequest):
            self._shadow.add(reply.held, reply.body, now)
