"""The service as a process: Uvicorn with our settings and log."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress

import uvicorn

from serving.logs import logging_to
from studio_pipeline.errors import InputError, ReleaseError
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.settings import read_settings

FAILED = 1
"""The exit status of a service that could not start; Uvicorn's 3 means something else in `studio run`."""


def serve(host: str = "127.0.0.1", port: int = 8000, workers: int = 1, reload: bool = False) -> None:
    """Answer requests until Ctrl-C; settings come from the environment and `.env`.

    Args:
        host: address to bind; without API keys only loopback peers are answered, whatever it is.
        port: port to bind.
        workers: processes, each with its own copy of the release.
        reload: start again when the code changes, for development.

    Raises:
        SettingsError: a setting is wrong.
        InputError: nobody can listen on that address and port.
        StorageError: STUDIO_HOME or the log file can't be used.
    """
    settings = read_settings()
    # Without a release, or with a broken one, it starts all the same: the next one may be whole.
    with suppress(ReleaseError):
        current_release(settings.home)
    refuse_taken(host, port)
    with logging_to(settings):
        try:
            uvicorn.run(
                "serving.app:app",
                host=host,
                port=port,
                workers=workers,
                reload=reload,
                access_log=False,
                log_config=None,
                server_header=False,
            )
        except SystemExit as end:
            sys.exit(FAILED if end.code else end.code)


def refuse_taken(host: str, port: int) -> None:
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
            "Stop what uses that port, or choose another with --port (and an address with --host).",
        ) from None
