"""Rate limits per caller: sliding windows, in this process or by the `limits` library in Redis.

With a reachable Redis all processes share one count; otherwise each process counts by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from math import ceil, floor
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from serving.guards.access import RefusedError
from studio_pipeline.errors import SettingsError
from studio_pipeline.settings import RateLimit

logger = logging.getLogger(__name__)

MAX_CALLERS = 10_000  # callers that are counted in one window in memory; with more, all counts start anew
ANSWER_SECONDS = 0.05  # longest wait of a request for Redis
RETRY_SECONDS = 5.0  # pause after Redis did not respond; then one request tries it again
KEY_PREFIX = "studio:rate"


class RateLimitedError(RefusedError):
    """A caller has used up its requests; the next one may pass after `wait` seconds."""

    def __init__(self, wait: float, limit: RateLimit) -> None:
        self.retry_after = max(1, ceil(wait))
        what = f"More than {limit.requests} requests in {limit.seconds} seconds."
        detail = f"{what} Ask again in {self.retry_after} seconds, or raise STUDIO_RATE_LIMIT."
        super().__init__(429, detail, {"Retry-After": str(self.retry_after)})


class RateLimits:
    """Counts requests by caller, in Redis where there is a shared counter that responds."""

    def __init__(self, limit: RateLimit, shared: RedisCounter | None = None) -> None:
        self._limit, self._own, self._shared = limit, OwnCounter(limit), shared

    @property
    def counters(self) -> Mapping[str, int]:
        """Requests of Redis, by outcome."""
        return self._shared.counters if self._shared else {}

    async def take(self, caller: str, cost: int = 1, *, taken: int = 0) -> None:
        """Count a request as `cost` requests, with the `taken` before for the same at most the whole limit.

        Raises:
            RateLimitedError: the caller has too few left; nothing is counted then.
        """
        cost = min(cost, self._limit.requests - taken)
        if cost <= 0:
            return
        wait = await self._shared.take(caller, cost) if self._shared else None
        if wait is None:
            wait = self._own.take(caller, cost)
        if wait:
            raise RateLimitedError(wait, self._limit)


class OwnCounter:
    """A sliding window in this process, as `limits` counts; its own in memory takes 5 % of a forward answer.

    Requests of the window before count in the proportion in which the last `seconds` reach into it.
    """

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._window = 0.0
        self._before: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()  # of each caller in the present window

    def take(self, caller: str, cost: int) -> float:
        """Count a request; 0.0 if it may pass, else the seconds to wait, and nothing is counted."""
        seconds = self._limit.seconds
        window, elapsed = divmod(time.time() / seconds, 1)
        if window != self._window:
            self._before = self.counts if window == self._window + 1 else Counter()
            self._window, self.counts = window, Counter()
        elif len(self.counts) > MAX_CALLERS:
            self._before, self.counts = Counter(), Counter()
        before, left = self._before[caller], 1 - elapsed
        if floor(before * left + self.counts[caller]) + cost <= self._limit.requests:
            self.counts[caller] += cost
            return 0.0
        # The next request of the window before to leave, or the end of this one.
        wait = min(left, left % (1 / before)) if before else left
        return max(wait * seconds, 1.0)


class RedisCounter:
    """A sliding window in Redis.

    Raises:
        SettingsError: `url` is no Redis URL.
    """

    def __init__(self, limit: RateLimit, url: str) -> None:
        from limits.aio.storage import RedisStorage
        from redis.asyncio import ConnectionPool

        try:
            # Without its own time-outs the client waits for the server when it is cancelled.
            self._pool = ConnectionPool.from_url(
                url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
            )
        except ValueError:
            # The library's message quotes the URL, and with it a password.
            raise SettingsError(
                "STUDIO_REDIS_URL is no address of a Redis.", "Write it as redis://HOST:PORT/0, or unset it."
            ) from None
        # The parameter is declared as text and documented to take a pool.
        pool: Any = self._pool
        storage = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix=KEY_PREFIX, connection_pool=pool
        )
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._item = RateLimitItemPerSecond(limit.requests, limit.seconds)
        self._is_unreachable = False
        self._retry_at = 0.0
        self.counters: Counter[str] = Counter(passed=0, refused=0, unreachable=0)

    async def take(self, caller: str, cost: int) -> float | None:
        """Count a request: 0.0 if it may pass, the seconds to wait if not, None if Redis does not respond."""
        from redis.exceptions import RedisError

        if time.monotonic() < self._retry_at:
            return None
        if self._is_unreachable:
            # This request finds out; the others pass by meanwhile.
            self._retry_at = time.monotonic() + RETRY_SECONDS
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                wait = 0.0
                if not await self._window.hit(self._item, caller, cost=cost):
                    stats = await self._window.get_window_stats(self._item, caller)
                    wait = max(stats.reset_time - time.time(), 1.0)
        except (RedisError, OSError, TimeoutError) as error:
            self.counters["unreachable"] += 1
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if not self._is_unreachable:
                fault = type(error).__name__
                logger.warning("Redis does not answer (%s); each worker counts requests by itself.", fault)
            self._is_unreachable = True
            return None
        if self._is_unreachable:
            logger.info("Redis answers again; all workers share one count of requests.")
        self._is_unreachable, self._retry_at = False, 0.0
        self.counters["refused" if wait else "passed"] += 1
        return wait

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()
