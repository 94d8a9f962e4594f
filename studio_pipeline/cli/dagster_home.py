"""DAGSTER_HOME: its folder, and the `dagster.yaml` that it gets and keeps as long as nobody changes it."""

from __future__ import annotations

import hashlib
import os

import click

from studio_pipeline.publishing.storage import replace_file, storage_errors
from studio_pipeline.settings import Settings

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
"""Of every `dagster.yaml` that an earlier version wrote: such a file is renewed, any other was changed."""


def dagster_yaml(settings: Settings) -> str:
    """The content for the settings; it names the database's variable, never its address or password."""
    return DAGSTER_YAML + (POSTGRES_YAML if settings.dagster_database_url else "")


def write_dagster_yaml(settings: Settings) -> bool:
    """Make the folder, and the file in it unless somebody changed it; answers whether it is ours.

    Raises:
        StorageError: the disk refused.
    """
    path = settings.dagster_home / "dagster.yaml"
    wanted = dagster_yaml(settings)
    with storage_errors(settings.dagster_home):
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        found = path.read_text("utf-8") if path.exists() else None
    if settings.dagster_database_url:
        # Dagster reads it from the environment, where a .env file of this program has not put it.
        os.environ[DATABASE_VARIABLE] = settings.dagster_database_url
    if found == wanted:
        return True
    if found is not None and not _is_ours(found):
        return False
    replace_file(path, wanted.encode())
    return True


def tell_changed_yaml(settings: Settings) -> None:
    """Say that a file that somebody changed is used as it is."""
    click.echo(f"{settings.dagster_home / 'dagster.yaml'} is not as `studio` wrote it, and is used as it is.")


def _is_ours(content: str) -> bool:
    return (
        content in (DAGSTER_YAML, DAGSTER_YAML + POSTGRES_YAML)
        or hashlib.sha256(content.encode()).hexdigest() in EARLIER_SHA256
    )
