"""Uvicorn server with the settings and the log of the service."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

import uvicorn

from serving.guards.http_protocol import GuardedHttpProtocol
from serving.logs import logging_to
from studio_pipeline.errors import InputError, ReleaseError, StorageError
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.settings import read_settings

FAILED = 1
"""The exit status of a service that could not start; Uvicorn's 3 means something else in `studio run`."""

KEEP_ALIVE_SECONDS = 15  # a connection without a request is closed after this time
SHUTDOWN_SECONDS = 10  # time for requests in progress after a signal to stop
APPLICATION = "serving.app:app"  # import path of the application for the workers

OPTIONS: Mapping[str, Any] = {
    "access_log": False,
    "log_config": None,
    "server_header": False,
    # The peer named by the headers of a proxy can't be verified.
    "proxy_headers": False,
    "http": GuardedHttpProtocol,
    "ws": "none",
    "timeout_keep_alive": KEEP_ALIVE_SECONDS,
    "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
}
"""Options of Uvicorn."""


def serve(host: str = "127.0.0.1", port: int = 8000, workers: int = 1, reload: bool = False) -> None:
    """Answer requests until Ctrl-C; settings come from the environment and `.env`.

    Without API keys only loopback peers are answered, whatever the host. Each worker is a process with its
    own copy of the release; with `reload` it starts again when the code changes.

    Raises:
        SettingsError: a setting is wrong.
        InputError: the address and port can't be listened on.
        StorageError: STUDIO_HOME or the log file can't be used.
    """
    settings = read_settings()
    # Without a release, or with a broken one, it starts all the same: the next one may be whole.
    with suppress(ReleaseError):
        current_release(settings.home)
    refuse_taken(host, port)
    with logging_to(settings), shared_metrics(settings.home, port if workers > 1 else None):
        try:
            uvicorn.run(APPLICATION, host=host, port=port, workers=workers, reload=reload, **OPTIONS)
        except SystemExit as end:
            sys.exit(FAILED if end.code else end.code)


@contextmanager
def shared_metrics(home: Path, port: int | None) -> Iterator[None]:
    """A folder where several workers on one port keep their figures, so that each can answer for all.

    None as the port stands for a single worker, which needs no folder.

    Raises:
        StorageError: the folder can't be made.
    """
    if port is None:
        yield
        return
    folder = home / "metrics" / f"{socket.gethostname()}-{port}"
    try:
        rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageError(
            f"Could not make the folder {folder}: {error.strerror}.",
            "Let this user write into STUDIO_HOME, or serve with one worker.",
        ) from None
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
        rmtree(folder, ignore_errors=True)


def refuse_taken(host: str, port: int, option: str = "--port") -> None:
    """Make sure that somebody can listen there, before anything is loaded.

    Raises:
        InputError: the port is taken, or is not for this user, or the address is not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except socket.gaierror as error:
        raise InputError(
            f"{host} is no address to listen on: {error.strerror}.", "Correct --host, or leave it out."
        ) from None
    except OSError as error:
        raise InputError(
            f"Could not listen on port {port} of {host}: {os.strerror(error.errno or 0)}.",
            f"Stop what uses that port, or choose another with {option} (and an address with --host).",
        ) from None
