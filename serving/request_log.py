"""A line in the log for each request; nothing that its sender chose freely is in it."""

from __future__ import annotations

import asyncio
import time

from serving.logs import RequestLine, requests_are_logged, write_request_lines

WRITE_SECONDS = 0.1
"""How long a line may wait for others: to write each by itself takes as long as to validate its request."""

MOST_LINES = 16
"""So many are written at once; more would hold up an answer."""


class RequestLog:
    """Notes requests on the event loop, and writes their lines a few times a second."""

    def __init__(self) -> None:
        self._lines: list[RequestLine] = []
        self._waits = False

    def note(self, method: str, route: str, status: int, seconds: float, request_id: str) -> None:
        """One request that has just been answered."""
        if not requests_are_logged():
            return
        if not self._lines and not self._waits:
            self._waits = True
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self._end_wait)
        self._lines.append(RequestLine(time.time(), method, route, status, seconds * 1000, request_id))
        if len(self._lines) == MOST_LINES:
            self.write()

    def _end_wait(self) -> None:
        self._waits = False
        self.write()

    def write(self) -> None:
        """Write what is noted."""
        lines, self._lines = self._lines, []
        write_request_lines(lines)
