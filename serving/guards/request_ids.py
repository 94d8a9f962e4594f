"""The id of a request: from its header where that is sane, else made; on its answer and in its log lines."""

from __future__ import annotations

import re
from contextvars import ContextVar
from secrets import token_hex

HEADER = b"x-request-id"

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")
"""The id of the request that is being answered; empty outside of requests."""

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def request_id_from(sent: bytes | None) -> str:
    """The id that a client sent, or a new one where it sent none or one that could harm a log."""
    return sent.decode("ascii") if sent is not None and _SANE.fullmatch(sent) else token_hex(16)
