"""Requests of each caller in Redis, so that several workers and machines share one count."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from studio_pipeline.errors import SettingsError
from studio_pipeline.settings import RateLimit

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 0.05
"""No request waits longer for Redis than this."""

RETRY_SECONDS = 5.0
"""A Redis that did not answer is left alone for this time; then one request tries it."""

KEY_PREFIX = "studio:rate"


class RedisCount:
    """A sliding window in Redis; while it is away, every request passes here.

    Args:
        limit: how many in how long a window.
        url: of the Redis.

    Raises:
        SettingsError: `url` is no address of a Redis.
    """

    def __init__(self, limit: RateLimit, url: str) -> None:
        self._pool = _pool(url)
        # Its options are declared as texts and numbers, and documented to take a pool.
        pool: Any = self._pool
        storage = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix=KEY_PREFIX, connection_pool=pool
        )
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._limit = RateLimitItemPerSecond(limit.requests, limit.seconds)
        self._away = False
        self._ask_again_at = 0.0
        self.counters: Counter[str] = Counter(passed=0, refused=0, unreachable=0)

    async def take(self, caller: str, cost: int) -> float:
        """Count a request.

        Returns:
            0.0 if it may pass, or if Redis does not say; else the seconds after which it may.
        """
        if time.monotonic() < self._ask_again_at:
            return 0.0
        if self._away:
            # This request finds out; the others pass by meanwhile.
            self._ask_again_at = time.monotonic() + RETRY_SECONDS
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                wait = await self._ask(caller, cost)
        except (RedisError, OSError, TimeoutError) as error:
            self._note_away(error)
            return 0.0
        self._note_back()
        self.counters["refused" if wait else "passed"] += 1
        return wait

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.disconnect()

    async def _ask(self, caller: str, cost: int) -> float:
        if await self._window.hit(self._limit, caller, cost=cost):
            return 0.0
        stats = await self._window.get_window_stats(self._limit, caller)
        return max(stats.reset_time - time.time(), 1.0)

    def _note_away(self, error: Exception) -> None:
        self.counters["unreachable"] += 1
        self._ask_again_at = time.monotonic() + RETRY_SECONDS
        if not self._away:
            logger.warning(
                "Redis does not answer (%s); each worker counts requests by itself.", type(error).__name__
            )
        self._away = True

    def _note_back(self) -> None:
        if self._away:
            logger.info("Redis answers again; all workers share one count of requests.")
        self._away, self._ask_again_at = False, 0.0


def _pool(url: str) -> ConnectionPool:
    try:
        # Without time-outs of its own, the library waits for others when it is cancelled.
        return ConnectionPool.from_url(
            url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
        )
    except ValueError:
        # The message of the library quotes the address, and with it a password.
        raise SettingsError(
            "STUDIO_REDIS_URL is no address of a Redis.", "Write it as redis://HOST:PORT/0, or unset it."
        ) from None
