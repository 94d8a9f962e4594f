"""Entry point of Dagster's web UI for `studio up`: Dagster's own command behind `WebGuard`.

`python -m studio_pipeline.cli.webserver --host HOST --port PORT`. The rules are in `web_guard`.
"""

from __future__ import annotations

from typing import Any

import click
from dagster_webserver.cli import dagster_webserver
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware

from studio_pipeline.cli.web_guard import WebGuard
from studio_pipeline.settings import read_settings

DEFINITIONS = "studio_pipeline.definitions"


@click.command()
@click.option("--host", required=True, help="Address to listen on.")
@click.option("--port", required=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def command(host: str, port: int) -> None:
    """Serve the web UI until a signal; variables DAGSTER_WEBSERVER_... count as with Dagster's command."""
    guard_web_ui(host, read_settings().dagster_url)
    dagster_webserver(
        ["-m", DEFINITIONS, "--host", host, "--port", str(port)], auto_envvar_prefix="DAGSTER_WEBSERVER"
    )


def guard_web_ui(host: str, url: str) -> None:
    """Put `WebGuard` in front of every application that Dagster's web server makes in this process.

    Dagster's command creates the application itself and accepts no middleware, so its class's hook
    `build_middleware` is wrapped. A version without this hook fails here, and nothing is served unguarded.

    Args:
        host: address that the web UI listens on.
        url: URL of the UI as browsers reach it.
    """
    build = DagsterWebserver.build_middleware

    def build_guarded(self: Any) -> list[Middleware]:
        return [Middleware(WebGuard, host=host, url=url), *build(self)]

    DagsterWebserver.build_middleware = build_guarded  # type: ignore[method-assign]


if __name__ == "__main__":
    command()
