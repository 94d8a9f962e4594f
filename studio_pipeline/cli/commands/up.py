"""`studio serve`: the service alone. `studio up`: also Dagster's web UI and daemon, as child processes.

The children are kept running by `cli.supervisor`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from studio_pipeline.errors import InputError, NoReleaseError

if TYPE_CHECKING:
    from studio_pipeline.cli.supervisor import Child
    from studio_pipeline.settings import Settings


PORT_SECONDS = 10.0


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes.")
@click.option("--reload", is_flag=True, help="Restart when the source changes; for development.")
def serve_command(host: str, port: int, workers: int, reload: bool) -> None:
    """Answer questions over HTTP from what is published."""
    from serving.server import serve

    serve(host, port, workers, reload)


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that both listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The service's port."
)
@click.option(
    "--dagster-port",
    default=3000,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="The web UI's port.",
)
def up_command(host: str, port: int, dagster_port: int) -> None:
    """Start the web UI, its daemon and the service; run the pipeline first if nothing is published.

    Each of the three that ends by itself is started again. A second `studio up` on the same STUDIO_HOME is
    refused.
    """
    from studio_pipeline.cli.supervisor import run_together
    from studio_pipeline.publishing.locks import UP_LOCK, hold_lock
    from studio_pipeline.settings import read_settings

    settings = read_settings()
    service_url, dagster_url = f"http://{host}:{port}", f"http://{host}:{dagster_port}"
    with hold_lock(settings.home, UP_LOCK, {"service": service_url, "Dagster": dagster_url}):
        _check_ports(host, port, dagster_port)
        _publish_first(settings)
        _prepare_home(settings)
        click.echo("Starting the service, and Dagster's web UI and daemon, which take half a minute.")
        status = run_together(
            _children(host, port, dagster_port),
            environment_of(settings, dagster_url),
            settings.home / "logs",
            f"Service: {service_url}\nDagster: {dagster_url}\nCtrl-C stops both.",
        )
    sys.exit(status)


def _check_ports(host: str, port: int, dagster_port: int) -> None:
    """Refuse ports in use (an InputError), after waiting for children of a killed `studio up` to end."""
    from serving.server import refuse_taken

    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            refuse_taken(host, port)
            refuse_taken(host, dagster_port, "--dagster-port")
        except InputError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _publish_first(settings: Settings) -> None:
    """Run the pipeline if nothing is published yet; exit with its status if it fails."""
    from studio_pipeline.publishing.releases import current_release

    try:
        current_release(settings.home)
    except NoReleaseError:
        from studio_pipeline.cli.pipeline import run_pipeline

        click.echo("Nothing is published yet: the pipeline runs first.")
        if status := run_pipeline(settings, {}):
            sys.exit(status)


def _prepare_home(settings: Settings) -> None:
    """Clean up after a crash: half-written folders, and runs whose process is gone."""
    from studio_pipeline.automation.run_history import end_leftover_runs
    from studio_pipeline.cli.dagster_home import write_dagster_yaml
    from studio_pipeline.cli.pipeline import dagster_instance
    from studio_pipeline.publishing.layout import sweep_home

    sweep_home(settings.home)
    if not write_dagster_yaml(settings):
        path = settings.dagster_home / "dagster.yaml"
        click.echo(f"{path} is not as `studio` wrote it, and is used as it is.")
    with dagster_instance(settings) as instance:
        ended = end_leftover_runs(instance, settings.home)
    if ended:
        click.echo(f"Ended what a crash left behind: run {', '.join(run[:8] for run in ended)}.")


def _children(host: str, port: int, dagster_port: int) -> list[Child]:
    from studio_pipeline.cli.supervisor import Child

    python, address = [sys.executable, "-m"], ["--host", host, "--port"]
    service = [*python, "studio_pipeline.cli", "serve", *address, str(port)]
    webserver = [*python, "studio_pipeline.cli.webserver", *address, str(dagster_port)]
    daemon = [*python, "dagster._daemon", "run", "-m", "studio_pipeline.definitions"]
    return [
        Child("service", service, f"http://{host}:{port}/api/v1/health"),
        Child("dagster-webserver", webserver, f"http://{host}:{dagster_port}/server_info"),
        Child("dagster-daemon", daemon, None),
    ]


def environment_of(settings: Settings, dagster_url: str) -> Mapping[str, str]:
    """This process's environment, with absolute paths of the folders and the web UI's URL for alert links."""
    link = {} if "dagster_url" in settings.model_fields_set else {"STUDIO_DAGSTER_URL": dagster_url}
    folders = {
        "STUDIO_HOME": str(settings.home),
        "STUDIO_LANDING_DIR": str(settings.landing_dir),
        "DAGSTER_HOME": str(settings.dagster_home),
    }
    return os.environ | link | folders | {"DAGSTER_DISABLE_TELEMETRY": "true"}
