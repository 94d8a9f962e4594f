"""DAGSTER_HOME: its `dagster.yaml`, and schema migrations of Dagster's and MLflow's databases."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

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


def write_dagster_yaml(settings: Settings) -> bool:
    """Create the folder, and write the file unless it was edited; returns whether it is unedited.

    The file names the database's variable, never its URL or password.
    """
    path = settings.dagster_home / "dagster.yaml"
    wanted = DAGSTER_YAML + (POSTGRES_YAML if settings.dagster_database_url else "")
    with storage_errors(settings.dagster_home):
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        found = path.read_text("utf-8") if path.exists() else None
    if settings.dagster_database_url:
        # Dagster reads it from the environment only; this program's settings also read a .env file.
        os.environ[DATABASE_VARIABLE] = settings.dagster_database_url
    if found == wanted:
        return True
    ours = (None, DAGSTER_YAML, DAGSTER_YAML + POSTGRES_YAML)
    if found not in ours and hashlib.sha256((found or "").encode()).hexdigest() not in EARLIER_SHA256:
        return False
    replace_file(path, wanted.encode())
    return True


MARKER = "upgraded_with.json"


def upgrade_records(instance: dg.DagsterInstance, settings: Settings) -> bool:
    """Migrate both databases if the installed versions have changed; returns whether it did.

    A remote MLflow server (http://) migrates its own store.
    """
    marker = settings.dagster_home / MARKER
    installed = {name: version(name) for name in ("dagster", "mlflow")}
    with contextlib.suppress(OSError, ValueError):
        if json.loads(marker.read_text("utf-8")) == installed:
            return False
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(output):
        instance.upgrade()
    uri = settings.mlflow_tracking_uri
    made = Path(uri.partition("///")[2]).exists() if uri.startswith("sqlite:") else True
    if made and uri.startswith(("sqlite:", "postgresql", "mysql", "mssql")):
        upgrade_mlflow(uri)
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
