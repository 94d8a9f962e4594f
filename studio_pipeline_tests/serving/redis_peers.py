"""Stand-ins for a Redis that is not well, and the way to the real one."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

DATABASES = range(15, 0, -1)


def own_database() -> int:
    """A database that no other test process on this machine has claimed; claimed until this one ends."""
    for number in DATABASES:
        path = Path(tempfile.gettempdir(), f"studio-test-redis-{number}.lock")
        with suppress(OSError):
            lock = os.open(path, os.O_CREAT | os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number
    raise RuntimeError("every Redis database is in use by another test process")


DATABASE = own_database()
REAL_URL = f"redis://127.0.0.1:6379/{DATABASE}"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


def real_redis() -> Redis:
    """An empty database of the Redis on this machine; without one the test is skipped, or fails in CI."""
    client = Redis.from_url(REAL_URL, socket_connect_timeout=1)
    try:
        client.flushdb()
    except RedisError as error:
        reason = f"no Redis on 127.0.0.1:6379: {error!r}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return client


class Peer:
    """A server on loopback that can be taken away and brought back at the same port."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.connections = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/{DATABASE}"

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
        for writer in [*self._open]:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            with suppress(OSError):
                await self.serve(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()


@asynccontextmanager
async def peer(serve: Serve) -> AsyncIterator[Peer]:
    started = Peer(serve)
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


def saying(answer: bytes) -> Serve:
    """Whatever it is asked, it says this, and hangs on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(answer)
            await writer.drain()

    return serve


def well_until_asked(command: bytes, answer: bytes) -> Serve:
    """A Redis to look at; to one command it says something else."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            for part in data.split(b"*")[1:]:
                if command in part:
                    writer.write(answer)
                else:
                    writer.write(b"+PONG\r\n" if b"PING" in part else b"+OK\r\n")
            await writer.drain()

    return serve
