"""How often each caller may ask: counted in this process and, where there is a Redis, with all the others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from math import ceil
from typing import Protocol

from serving.guards.request_windows import RequestWindows
from studio_pipeline.settings import RateLimit, Settings


class RateLimitedError(Exception):
    """A caller has used up its requests.

    Args:
        wait: seconds after which the next one may pass.
        limit: what it has used up.
    """

    def __init__(self, wait: float, limit: RateLimit) -> None:
        self.retry_after = max(1, ceil(wait))
        what = f"More than {limit.requests} requests in {limit.seconds} seconds."
        self.detail = f"{what} Ask again in {self.retry_after} seconds, or raise STUDIO_RATE_LIMIT."
        super().__init__(self.detail)

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {"Retry-After": str(self.retry_after)}


class SharedCount(Protocol):
    """A count that several processes share."""

    @property
    def counters(self) -> Mapping[str, int]:
        """How often it was asked, by what came of it."""

    async def take(self, caller: str, cost: int) -> float:
        """0.0 if the request may pass or nobody knows, else the seconds after which it may."""


class RateLimits:
    """Counts requests by caller.

    What this process alone has seen is enough to refuse: only what passes here is asked of the shared count.

    Args:
        limit: requests of one caller in a window.
        shared: a count that several processes share, if there is one.
    """

    def __init__(self, limit: RateLimit, shared: SharedCount | None = None) -> None:
        self._limit = limit
        self._here = RequestWindows(limit)
        self._shared = shared

    @property
    def counters(self) -> Mapping[str, int]:
        """How often the shared count was asked, by what came of it."""
        return self._shared.counters if self._shared else {}

    async def take(self, caller: str, cost: int = 1, *, taken: int = 0) -> None:
        """Count a request as `cost` requests, so that all of it is at most the limit.

        Args:
            caller: who asks.
            cost: how many more it counts as.
            taken: what has been counted of the same request before.

        Raises:
            RateLimitedError: the caller has not that many left.
        """
        cost = min(cost, self._limit.requests - taken)
        if cost <= 0:
            return
        wait = self._here.take(caller, cost, time.monotonic())
        if not wait and self._shared and (wait := await self._shared.take(caller, cost)):
            self._here.give_back(caller, cost)
        if wait:
            raise RateLimitedError(wait, self._limit)


async def open_rate_limits(settings: Settings, resources: AsyncExitStack) -> RateLimits:
    """The rate limits of one application; what they hold is closed with `resources`.

    Raises:
        SettingsError: STUDIO_REDIS_URL is no address of a Redis.
    """
    if settings.redis_url is None:
        return RateLimits(settings.rate_limit)
    from serving.guards.redis_count import RedisCount

    shared = RedisCount(settings.rate_limit, settings.redis_url)
    resources.push_async_callback(shared.close)
    return RateLimits(settings.rate_limit, shared)
