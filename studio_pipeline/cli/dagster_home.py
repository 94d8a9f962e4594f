"""DAGSTER_HOME: its `dagster.yaml`, and schema migrations of Dagster's and MLflow's databases.

Tables of the service are migrated by `commands.database`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studio_pipeline.publishing.storage import replace_file, storage_errors
from studio_pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


DATABASE_VARIABLE = "STUDIO_DAGSTER_DATABASE_URL"

DAGSTER_YAML = """\
# Written by `studio`, and renewed by its next versions as long as it stays as it is; change it as you like.
telemetry: {enabled: false}
nux: {enabled: false}
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config: {max_concurrent_runs: 1, dequeue_interval_seconds: 1}
run_monitoring:
  enabled: true
  poll_interval_seconds: 15
  start_timeout_seconds: 180
  cancel_timeout_seconds: 180
  max_runtime_seconds: 14400
sensors: {use_threads: true, num_workers: 4}
schedules: {use_threads: true, num_workers: 2}
retention:
  schedule: {purge_after_days: {skipped: 1, success: 30, failure: 90}}
  sensor: {purge_after_days: {skipped: 1, success: 14, failure: 30}}
"""

POSTGRES_YAML = f"""\
storage:
  postgres:
    postgres_url: {{env: {DATABASE_VARIABLE}}}
"""

EARLIER_SHA256 = frozenset({"128989c4eec38cad1e73f311052bfbea0aa0a3be371c69988d27f3013c06181f"})
"""Hashes of every `dagster.yaml` of an earlier version; a file with another hash was edited and is kept."""


def dagster_yaml(settings: Settings) -> str:
    """Content for the settings; it names the database's variable, never its URL or password."""
    return DAGSTER_YAML + (POSTGRES_YAML if settings.dagster_database_url else "")


def write_dagster_yaml(settings: Settings) -> bool:
    """Create the folder, and write the file unless it was edited; returns whether it is unedited.

    Raises:
        StorageError: the disk is full or not writable.
    """
    path = settings.dagster_home / "dagster.yaml"
    wanted = dagster_yaml(settings)
    with storage_errors(settings.dagster_home):
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        found = path.read_text("utf-8") if path.exists() else None
    if settings.dagster_database_url:
        # Dagster reads it from the environment only; this program's settings also read a .env file.
        os.environ[DATABASE_VARIABLE] = settings.dagster_database_url
    if found == wanted:
        return True
    if found is not None and not _is_ours(found):
        return False
    replace_file(path, wanted.encode())
    return True


def report_changed_yaml(settings: Settings) -> None:
    """Print that an edited file is used as it is."""
    click.echo(f"{settings.dagster_home / 'dagster.yaml'} is not as `studio` wrote it, and is used as it is.")


def _is_ours(content: str) -> bool:
    return (
        content in (DAGSTER_YAML, DAGSTER_YAML + POSTGRES_YAML)
        or hashlib.sha256(content.encode()).hexdigest() in EARLIER_SHA256
    )


MARKER = "upgraded_with.json"
_DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")


def upgrade_records(instance: dg.DagsterInstance, settings: Settings) -> bool:
    """Migrate both databases if the installed versions have changed; returns whether it did.

    A remote MLflow server (http://) migrates its own store.

    Raises:
        StorageError: the disk is full or not writable.
    """
    marker = settings.dagster_home / MARKER
    installed = {name: version(name) for name in ("dagster", "mlflow")}
    if _read(marker) == installed:
        return False
    with redirect_stdout(io.StringIO()) as output, redirect_stderr(output):
        instance.upgrade()
    if _has_mlflow_database(settings):
        upgrade_mlflow(settings.mlflow_tracking_uri)
    replace_file(marker, json.dumps(installed).encode())
    return True


def upgrade_mlflow(uri: str) -> None:
    """Run MLflow's own migrations, as `mlflow db upgrade` does."""
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine_with_retry

    from studio_pipeline.resources.mlflow_tracking import import_quietly

    import_quietly()
    engine = create_sqlalchemy_engine_with_retry(uri)
    try:
        _upgrade_db(engine)
    finally:
        engine.dispose()


def _has_mlflow_database(settings: Settings) -> bool:
    uri = settings.mlflow_tracking_uri
    if uri.startswith("sqlite:"):
        return Path(uri.partition("///")[2]).exists()
    return uri.startswith(_DATABASES)


def _read(marker: Path) -> dict[str, str]:
    try:
        content: dict[str, str] = json.loads(marker.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content
