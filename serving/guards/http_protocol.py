"""Uvicorn's HTTP/1.1 protocol with limits on the size and time of headers and on unread bodies."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADER_BYTES = 64 * 1024  # limit of one request's line and headers, exceeded by at most one read
HEADER_SECONDS = 10.0  # time from a connection, or the first byte of a request, to the end of its headers

LEFTOVER_SECONDS = 5.0
"""Time for reading the rest of a body after its request was answered; clients read answers only then."""

TOO_LARGE = "431 Request Header Fields Too Large"
TOO_SLOW = "408 Request Timeout"


class GuardedHttpProtocol(HttpToolsProtocol):
    """A connection that is closed if headers are missing, late or too large."""

    # So far, of a request whose headers are not complete; None once they are.
    _header_bytes: int | None = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._close_in(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._go_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and look at what is not complete."""
        super().data_received(data)
        if self._header_bytes is None or self.transport.is_closing():
            return
        self._header_bytes += len(data)
        if self._header_bytes > MOST_HEADER_BYTES:
            self._refuse(TOO_LARGE)
        elif self._deadline is None:
            self._close_in(HEADER_SECONDS)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._header_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are complete."""
        self._header_bytes = None
        self._go_on()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is complete."""
        self._go_on()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It was answered, perhaps before its body was complete."""
        if self.cycle.more_body:
            self._close_in(LEFTOVER_SECONDS)
        super().on_response_complete()

    def _close_in(self, seconds: float) -> None:
        self._go_on()
        self._deadline = self.loop.call_later(seconds, self._refuse, TOO_SLOW)

    def _go_on(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: str) -> None:
        self._go_on()
        if self._header_bytes:
            head = f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head.encode())
        self.transport.close()
