"""Cache of answers in a Redis that several services share.

An unreachable, slow, full or foreign Redis never costs an answer: after a failure it is not used again until
a background task has found it working. Stored answers carry a checksum, since other programs may write there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar
from zlib import crc32

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from serving.cache.answer_cache import CacheState
from serving.runtime import in_the_background
from studio_pipeline.errors import SettingsError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

PREFIX = "studio:answer:"
WAIT_SECONDS = 0.05
"""Longest wait of a request or a write for Redis, unless a time-out gets lost (see `in_the_background`)."""

PAUSE_SECONDS = 5.0
"""Between two looks at a Redis that has failed. A look opens all connections."""

_MOST_WAITING = 256

# Beside its own errors the library raises what parsing bytes that are no Redis's leads to.
_FAILURES = (RedisError, OSError, TimeoutError, ValueError, LookupError, RecursionError)

LOOK_SECONDS = 1.0  # time to connect or to check Redis: over TLS longer than a request waits
ANSWER_SECONDS = 0.2  # time-out of the client

CONNECTIONS = 8

FORMAT = b"studio-answer/2 "  # stands before every kept answer; another one where answers change their form


class RedisCache:
    """Answers under `studio:answer:`, for some seconds each."""

    def __init__(self, client: Redis, seconds: int) -> None:
        self._client, self._seconds = client, seconds
        self._usable = False
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_MOST_WAITING)
        self.counters = {"hits": 0, "misses": 0, "errors": 0}

    async def get(self, key: str) -> bytes | None:
        """The answer kept under a key, if there is one; None at once where Redis has failed lately."""
        stored = await self._ask(self._client.get(PREFIX + key)) if self._usable else None
        answer = opened(key, stored) if isinstance(stored, bytes) else None
        if answer is None and stored is not None:
            self.counters["errors"] += 1
        self.counters["misses" if answer is None else "hits"] += 1
        return answer

    async def put(self, key: str, answer: bytes) -> None:
        """Let an answer be kept, without waiting for it."""
        if not self._usable:
            return
        try:
            self._waiting.put_nowait((key, sealed(key, answer)))
        except asyncio.QueueFull:
            self.counters["errors"] += 1

    async def state(self) -> CacheState:
        """Check if Redis answers: `ok` or `unreachable`; from then on it is used, or not."""
        await self._look(connections=1)
        return "ok" if self._usable else "unreachable"

    async def write(self) -> None:
        """Write for ever what waits to be kept."""
        while True:
            key, stored = await self._waiting.get()
            if self._usable:
                await self._ask(self._client.set(PREFIX + key, stored, ex=self._seconds))

    async def watch(self) -> None:
        """Look for ever after a Redis that has failed, and first of all after one that was never asked."""
        while True:
            if not self._usable:
                await self._look(CONNECTIONS)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, command: Awaitable[Answer]) -> Answer | None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await command
        except ResponseError:
            # It answers, and refuses: it is full, say. It may still have what others kept.
            self.counters["errors"] += 1
        except _FAILURES as failure:
            self.counters["errors"] += 1
            self._note(failure)
        return None

    async def _look(self, connections: int) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                pings = (self._client.ping() for _ in range(connections))
                answers = await asyncio.gather(*pings, return_exceptions=True)
        except TimeoutError as failure:
            self._note(failure)
            return
        self._note(next((answer for answer in answers if isinstance(answer, BaseException)), None))

    def _note(self, failure: BaseException | None) -> None:
        """Say in the log what changes; the names of errors are enough, their texts may hold anything."""
        usable = failure is None
        if usable and not self._usable:
            logger.info("The cache in Redis is in use.")
        if self._usable and not usable:
            logger.warning("The cache in Redis fails (%s); answers go on without it.", type(failure).__name__)
        self._usable = usable


@asynccontextmanager
async def running_redis_cache(url: str, seconds: int) -> AsyncIterator[RedisCache]:
    """A cache in Redis with the tasks that maintain it; it does not wait for Redis to answer."""
    client = redis_client(url)
    cache = RedisCache(client, seconds)
    loss = "The cache in Redis is no longer maintained"
    watching, writing = in_the_background(cache.watch(), loss), in_the_background(cache.write(), loss)
    async with aclosing(client), watching, writing:
        yield cache


def redis_client(url: str) -> Redis:
    """A client that has connected nowhere yet.

    Raises:
        SettingsError: the URL has unknown options; it is not shown, as it may hold a password.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=LOOK_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=LOOK_SECONDS,
            protocol=2,
            # One of its connections may have been closed since it was last used.
            retry=Retry(NoBackoff(), 1),
        )
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, RedisError):
        raise SettingsError(
            "STUDIO_REDIS_URL has options that can't be used.", "Leave out what follows its question mark."
        ) from None
    return Redis.from_pool(pool)


def sealed(key: str, answer: bytes) -> bytes:
    """An answer as it is stored in Redis, with its format and checksum."""
    return b"%b%08x %b" % (FORMAT, crc32(answer, crc32(key.encode())), answer)


def opened(key: str, stored: bytes) -> bytes | None:
    """The answer of `sealed`; None where this is none, not whole, or another key's."""
    answer = stored[len(FORMAT) + 9 :]
    return answer if stored == sealed(key, answer) else None
