"""Answers that are made together leave together: each by itself would wake the reader's core once more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


class JointWrites(asyncio.Transport):
    """A connection's transport that gathers what is written while other requests are in hand.

    What was gathered leaves when the event loop has done what was ready, so an answer may wait for heavy work
    that is ready too; a request that is alone in hand is answered at once, its headers with its body.

    Args:
        transport: where it goes.
        loop: of the connection.
        in_hand: the tasks of all requests that are being answered, of this connection and of others.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, in_hand: Collection[object]
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._in_hand = in_hand
        self._parts: list[bytes | bytearray | memoryview[Any]] = []

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send soon, or at once with what came before."""
        self._parts.append(data)
        if len(self._parts) == 1:
            self._loop.call_soon(self.send_gathered)
        elif len(self._in_hand) < 2:
            self.send_gathered()

    def close(self) -> None:
        """Send what was gathered, and let no more come."""
        self.send_gathered()
        self._transport.close()

    def send_gathered(self) -> None:
        """Send now what was gathered so far."""
        parts, self._parts = self._parts, []
        # The other side may have gone meanwhile.
        if parts and not self._transport.is_closing():
            self._transport.writelines(parts)

    def abort(self) -> None:
        """Close at once, with nothing sent any more."""
        self._parts = []
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take nothing in for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take in more again."""
        self._transport.resume_reading()
