"""The form of answers in a store that others may write to: what is not whole, or not ours, is no answer."""

from __future__ import annotations

from zlib import crc32

FORMAT = b"studio-answer/1 "
"""Stands before every kept answer; another one where answers change their form."""


def sealed(key: str, answer: bytes) -> bytes:
    """An answer as it stands in Redis, with what tells it from anything else that might."""
    return b"%b%08x %b" % (FORMAT, crc32(answer, crc32(key.encode())), answer)


def opened(key: str, stored: bytes) -> bytes | None:
    """The answer of `sealed`; None where this is none, not whole, or another key's."""
    answer = stored[len(FORMAT) + 9 :]
    return answer if stored == sealed(key, answer) else None
