"""Answers that were given before: in this process by default, in Redis where one is set.

A cache holds the bytes of an answer without its id: whoever takes one out gives it an id of its own.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal, Protocol

from studio_pipeline.settings import Settings

CacheState = Literal["memory", "ok", "unreachable", "off"]

MEMORY_BYTES = 32 * 2**20
"""What the answers kept in one process may take."""

_ENTRY_BYTES = 400
"""Of a key and of the entry's own objects."""


class AnswerCache(Protocol):
    """Keeps answers for a while. Neither call fails or waits longer than a moment, whatever happens."""

    @property
    def counters(self) -> Mapping[str, int]:
        """How often so far, as `hits`, `misses` and `errors`; an error counts as a miss too."""

    async def get(self, key: str) -> bytes | None:
        """The answer kept under a key, if there is one."""

    async def put(self, key: str, answer: bytes) -> None:
        """Keep an answer, if that is possible now."""

    async def reachable(self) -> bool:
        """Whether answers are really kept now."""

    async def state(self) -> CacheState:
        """The same, in the word that the service's health shows."""


class MemoryCache:
    """The answers used last, in this process: bounded in bytes and in age.

    Args:
        seconds: how long an answer is kept.
        most_bytes: what all of them may take together.
        clock: seconds since some moment.
    """

    def __init__(
        self, seconds: float, most_bytes: int = MEMORY_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._most_bytes, self._clock = seconds, most_bytes, clock
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self.counters = {"hits": 0, "misses": 0, "errors": 0}

    @property
    def size_bytes(self) -> int:
        """What the kept answers take."""
        return self._bytes

    async def get(self, key: str) -> bytes | None:
        """The answer kept under a key, if there is one and it is not too old."""
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock():
            self._forget(key)
            self.counters["misses"] += 1
            return None
        self._entries.move_to_end(key)
        self.counters["hits"] += 1
        return entry[1]

    async def put(self, key: str, answer: bytes) -> None:
        """Keep an answer in the place of those that were used longest ago."""
        self._forget(key)
        if _size(answer) > self._most_bytes:
            return
        self._entries[key] = self._clock() + self._seconds, answer
        self._bytes += _size(answer)
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._entries)))

    async def reachable(self) -> bool:
        """Always."""
        return True

    async def state(self) -> CacheState:
        """`memory`."""
        return "memory"

    def _forget(self, key: str) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._bytes -= _size(entry[1])


def _size(answer: bytes) -> int:
    return len(answer) + _ENTRY_BYTES


async def state_of(cache: AnswerCache | None) -> CacheState:
    """Where answers are kept now."""
    return "off" if cache is None else await cache.state()


@asynccontextmanager
async def running_cache(settings: Settings) -> AsyncIterator[AnswerCache | None]:
    """The cache that the settings ask for, for as long as the application runs; None where they want none.

    Raises:
        SettingsError: the URL of Redis can't be used.
    """
    if not settings.cache_ttl_seconds:
        yield None
    elif settings.redis_url is None:
        yield MemoryCache(settings.cache_ttl_seconds)
    else:
        from serving.cache.redis_cache import running_redis_cache

        async with running_redis_cache(settings.redis_url, settings.cache_ttl_seconds) as cache:
            yield cache
