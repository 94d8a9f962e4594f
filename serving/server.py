"""The service as a process: Uvicorn with our settings and log."""

from __future__ import annotations

import uvicorn

from serving.logs import logging_to
from studio_pipeline.settings import read_settings


def serve(host: str = "127.0.0.1", port: int = 8000, workers: int = 1, reload: bool = False) -> None:
    """Answer requests until Ctrl-C; settings come from the environment and `.env`.

    Args:
        host: address to bind; without API keys only loopback peers are answered, whatever it is.
        port: port to bind.
        workers: processes, each with its own copy of the release.
        reload: start again when the code changes, for development.

    Raises:
        SettingsError: a setting is wrong.
    """
    with logging_to(read_settings()):
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
