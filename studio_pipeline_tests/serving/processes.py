"""Programs and services in processes of their own, for the tests of the service."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

LOOPBACK = ("127.0.0.1", 50_000)
"""A peer on this machine."""

FAKE_SERVICE = (str(Path(__file__).with_name("fake_service.py")), "{port}")
"""Arguments of Python for the service on the fake forecaster."""


def python(folder: Path, *arguments: str, **environment: str) -> str:
    """Run Python in `folder` and return what it printed."""
    env = {**os.environ, **environment}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    return result.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(
    home: Path, *arguments: str, end: signal.Signals = signal.SIGINT, **environment: str
) -> Iterator[httpx.Client]:
    """Run Python with `arguments`, `{port}` filled in, until the service answers; end it as with Ctrl-C."""
    port = free_port()
    env = {
        **os.environ,
        "STUDIO_HOME": str(home),
        "STUDIO_LOG_FILE": str(home / "service.log"),
        "STUDIO_RATE_LIMIT": "1000000/second",
        **environment,
    }
    command = [sys.executable, *(part.format(port=port) for part in arguments)]
    with subprocess.Popen(command, env=env, cwd=home) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                wait_until(lambda: answers(client, process), seconds=30)
                yield client
        finally:
            process.send_signal(end)
            process.wait(timeout=20)


def answers(client: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the service ended"
    with contextlib.suppress(httpx.TransportError):
        client.get("/api/v1/health")
        return True
    return False


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
