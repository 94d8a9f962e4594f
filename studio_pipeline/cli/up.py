"""`studio up`: Dagster's web UI and daemon, and the service, as children of this process that end with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from studio_pipeline.errors import NoReleaseError


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
def command(host: str, port: int, dagster_port: int) -> None:
    """Start the web UI, its daemon and the service; run the pipeline first if nothing is published."""
    from studio_pipeline.cli.children import Child, run_together
    from studio_pipeline.publishing.releases import current_release
    from studio_pipeline.settings import Settings, read_settings

    settings: Settings = read_settings()
    try:
        current_release(settings.home)
    except NoReleaseError:
        from studio_pipeline.cli.pipeline import run_pipeline

        click.echo("Nothing is published yet: the pipeline runs first.")
        if status := run_pipeline(settings, {}):
            sys.exit(status)
    prepare_instance(settings.dagster_home)
    dagster, module = [sys.executable, "-m"], ["-m", "studio_pipeline.definitions"]
    service_url, dagster_url = f"http://{host}:{port}", f"http://{host}:{dagster_port}"
    children = [
        Child(
            "service",
            [sys.executable, "-m", "studio_pipeline.cli", "serve", "--host", host, "--port", str(port)],
            f"{service_url}/api/v1/health",
        ),
        Child(
            "dagster-webserver",
            [*dagster, "dagster_webserver", *module, "--host", host, "--port", str(dagster_port)],
            f"{dagster_url}/server_info",
        ),
        Child("dagster-daemon", [*dagster, "dagster._daemon", "run", *module], None),
    ]
    sys.exit(
        run_together(
            children,
            environment_of(settings.home, settings.landing_dir, settings.dagster_home),
            settings.home / "logs",
            f"Service: {service_url}\nDagster: {dagster_url}\nCtrl-C stops both.",
        )
    )


def prepare_instance(dagster_home: Path) -> None:
    """Make DAGSTER_HOME, with a `dagster.yaml` in it."""
    from studio_pipeline.cli.dagster_home import write_dagster_yaml

    write_dagster_yaml(dagster_home)


def environment_of(home: Path, landing_dir: Path, dagster_home: Path) -> Mapping[str, str]:
    """This process's environment, with the places as absolute paths."""
    return os.environ | {
        "STUDIO_HOME": str(home),
        "STUDIO_LANDING_DIR": str(landing_dir),
        "DAGSTER_HOME": str(dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "true",
    }
