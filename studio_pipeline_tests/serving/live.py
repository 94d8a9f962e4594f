"""The application on a real port, in a thread of this process, so that a test can shorten its patience."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fake_forecaster import load_fake, publish_fake
from processes import wait_until

from serving.app import create_app
from serving.model_store import LoadForecaster
from serving.server import OPTIONS
from studio_pipeline.settings import read_settings

Address = tuple[str, int]


@contextmanager
def live(home: Path, load: LoadForecaster = load_fake, **settings: object) -> Iterator[Address]:
    """Serve `home` on the fake forecaster, with Uvicorn as `studio serve` sets it up.

    Where nothing is published there, model 1 on data 7 is.
    """
    if not (home / "release.json").exists():
        publish_fake(home, 1)
    app = create_app(read_settings(env_file=None, **{"home": home, **settings}), load)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, **OPTIONS))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def url_of(address: Address) -> str:
    return f"http://{address[0]}:{address[1]}"


def exchange(address: Address, *parts: bytes, seconds: float = 10) -> bytes:
    """Send bytes as they are, and return all that comes back until the other side closes or is silent."""
    with socket.create_connection(address, timeout=seconds) as connection:
        for part in parts:
            connection.sendall(part)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes, or is silent for the connection's time-out."""
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except (TimeoutError, ConnectionResetError):
        pass
    return answer


def is_cut_off(connection: socket.socket, part: bytes, pause: float) -> bool:
    """Whether the other side stops taking bytes that are sent one part after the other."""
    start = time.monotonic()
    try:
        while time.monotonic() - start < 5:
            connection.sendall(part)
            time.sleep(pause)
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def status_of(answer: bytes) -> int:
    """The status of the first answer."""
    return int(answer.split(b" ", 2)[1])
