"""`studio serve`: run the service alone."""

from __future__ import annotations

import click


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes.")
@click.option("--reload", is_flag=True, help="Restart when the source changes; for development.")
def command(host: str, port: int, workers: int, reload: bool) -> None:
    """Answer questions over HTTP from what is published."""
    from serving.server import serve

    serve(host, port, workers, reload)
