"""A line in the log for each request; nothing that its sender chose freely is in it."""

from __future__ import annotations

import asyncio
import time

from serving.logs import RequestLine, requests_are_logged, write_request_lines

WRITE_SECONDS = 0.1
"""How long a line may wait for others: to write each by itself takes as long as to validate its request."""


class RequestLog:
    """Notes requests on the event loop, and writes their lines a few times a second."""

    def __init__(self) -> None:
        self._lines: list[RequestLine] = []

    def note(self, method: str, route: str, status: int, seconds: float, request_id: str) -> None:
        """One request that has just been answered."""
        if not requests_are_logged():
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self.write)
        self._lines.append(RequestLine(time.time(), method, route, status, seconds * 1000, request_id))

    def write(self) -> None:
        """Write what is noted."""
        lines, self._lines = self._lines, []
        write_request_lines(lines)
