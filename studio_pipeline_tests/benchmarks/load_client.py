"""Load over raw sockets, so that the client costs as little as a client can: requests are encoded before,
and of answers only status and length are read.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np
import orjson
import uvloop


@dataclass
class Measured:
    """What one run of load found.

    Attributes:
        seconds: of each answered request.
        elapsed: seconds of the whole run.
        failed: statuses other than 200, with the beginning of the answer.
    """

    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    failed: list[bytes] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed

    def milliseconds(self, share: float) -> float:
        return float(np.quantile(self.seconds, share)) * 1e3


def encoded(path: str, body: object) -> bytes:
    content = orjson.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Connection(asyncio.Protocol):
    """One keep-alive connection that asks one request after the other, until time is up."""

    def __init__(self, requests: Iterator[bytes], until: float, measured: Measured) -> None:
        self._requests, self._until, self._measured = requests, until, measured
        self._answer = bytearray()
        self._length = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._length:
            head = self._answer.find(b"\r\n\r\n")
            if head < 0:
                return
            start = self._answer.index(b"content-length: ") + 16
            self._length = head + 4 + int(self._answer[start : self._answer.index(b"\r\n", start)])
        if len(self._answer) >= self._length:
            self._note()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(ConnectionError(f"the service closed a connection: {error}"))

    def _note(self) -> None:
        now = time.perf_counter()
        if self._answer[9:12] == b"200":
            self._measured.seconds.append(now - self._asked_at)
        else:
            self._measured.failed.append(bytes(self._answer[:400]))
        self._answer.clear()
        self._length = 0
        if now < self._until:
            self._ask()
        else:
            self.ended.set_result(None)
            self._transport.close()

    def _ask(self) -> None:
        request = next(self._requests)
        self._asked_at = time.perf_counter()
        self._transport.write(request)


async def _run(port: int, loads: Sequence[tuple[Sequence[bytes], int]], seconds: float) -> list[Measured]:
    loop, found = asyncio.get_running_loop(), []
    start = time.perf_counter()
    ends = []
    for requests, connections in loads:
        measured, shared = Measured(), cycle(requests)
        found.append(measured)
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda s=shared, m=measured: Connection(s, start + seconds, m), "127.0.0.1", port
            )
            ends.append(connection.ended)
    await asyncio.gather(*ends)
    for measured in found:
        measured.elapsed = time.perf_counter() - start
    return found


def load(port: int, *loads: tuple[Sequence[bytes], int], seconds: float) -> list[Measured]:
    """Ask for some seconds, each of several kinds of requests over so many connections at once."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_run(port, loads, seconds))
    for measured in found:
        if measured.failed:
            raise RuntimeError(f"{len(measured.failed)} requests failed, such as {measured.failed[0]!r}")
    return found
