"""Cache of answers in this process, the interface of all caches, and the keys of answers.

A cached answer is the JSON as it was first given; `answers.replies.Reply.cached` gives it a new id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Literal, Protocol

import orjson
from cachetools import TTLCache
from pydantic import BaseModel

from studio_pipeline.publishing.releases import Release

CacheState = Literal["memory", "ok", "unreachable", "off"]

MEMORY_BYTES = 32 * 2**20  # limit of the answers kept in one process
_ENTRY_BYTES = 400  # of a key and of the entry's own objects


def cache_key(kind: str, release: Release, *asked: BaseModel) -> str:
    """The key of an answer: equal for equal requests to one release, different if any field differs.

    `asked` is the validated request with its defaults, and whatever else the answer depends on. Run id and
    time of publication distinguish releases with equal numbers.
    """
    versions = release.version, release.model_version, release.data_version, release.challenger_model_version
    parts = [orjson.dumps((kind, *versions, release.run_id, release.published_at))]
    parts += [one.model_dump_json().encode() for one in asked]
    return sha256(b"".join(parts)).hexdigest()


class AnswerCache(Protocol):
    """Keeps answers for a while. Neither call fails or waits longer than a moment, whatever happens."""

    @property
    def counters(self) -> Mapping[str, int]:
        """Counts of `hits`, `misses` and `errors`; an error counts as a miss too."""

    async def get(self, key: str) -> bytes | None:
        """The answer kept under a key, if there is one."""

    async def put(self, key: str, answer: bytes) -> None:
        """Keep an answer, if that is possible now."""

    async def state(self) -> CacheState:
        """State for `/health`: where answers are kept at present."""


class MemoryCache:
    """The answers used last, in this process: bounded in bytes and in age."""

    def __init__(
        self, seconds: float, most_bytes: int = MEMORY_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept: TTLCache[str, bytes] = TTLCache(most_bytes, seconds, clock, _size)
        self.counters = {"hits": 0, "misses": 0, "errors": 0}

    @property
    def size_bytes(self) -> int:
        """Of the kept answers."""
        return int(self._kept.currsize)

    async def get(self, key: str) -> bytes | None:
        """The answer kept under a key, if there is one and it is not too old."""
        answer = self._kept.get(key)
        self.counters["misses" if answer is None else "hits"] += 1
        return answer

    async def put(self, key: str, answer: bytes) -> None:
        """Keep an answer in the place of those that were used longest ago."""
        # One that is larger than all the place there is.
        with suppress(ValueError):
            self._kept[key] = answer

    async def state(self) -> CacheState:
        """`memory`."""
        return "memory"


def _size(answer: bytes) -> int:
    return len(answer) + _ENTRY_BYTES
