"""PostgreSQL connection with a time-out for every wait: a frozen host keeps connections open and is silent.

Separate from ``engine`` because importing the driver takes a fifth of a second.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg


class ServerSilentError(psycopg.OperationalError):
    """The server has said nothing for too long."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose every wait for the server ends."""

    answer_seconds: float = 10.0  # how long one wait may last

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **named: Any) -> Any:
        """Wait for the server; a connection that waited in vain is closed.

        Raises:
            ServerSilentError: it has said nothing for `answer_seconds`.
        """
        try:
            return super().wait(_until(gen, time.monotonic() + self.answer_seconds), *arguments, **named)
        except ServerSilentError:
            self.pgconn.finish()
            raise


def connect_bounded(answer_seconds: float, *arguments: Any, **named: Any) -> BoundedConnection:
    """Connect; no later wait lasts longer than `answer_seconds`."""
    connection = BoundedConnection.connect(*arguments, **named)
    connection.answer_seconds = answer_seconds
    return connection


def _until(gen: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
    """The same generator, which the driver wakes at least every 0.1 s, up to a deadline."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise ServerSilentError("the server says nothing")
            wanted = gen.send(ready)
    except StopIteration as done:
        return done.value
