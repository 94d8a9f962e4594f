"""DAGSTER_HOME: its folder, and the `dagster.yaml` that a new one gets."""

from __future__ import annotations

from pathlib import Path

from studio_pipeline.publishing.storage import replace_file, storage_errors

DAGSTER_YAML = """\
# Written by `studio`; change it as you like.
telemetry: {enabled: false}
nux: {enabled: false}
concurrency:
  runs: {max_concurrent_runs: 1}
run_monitoring: {enabled: true, max_runtime_seconds: 3600, free_slots_after_run_end_seconds: 60}
retention:
  schedule: {purge_after_days: {skipped: 1, success: 30, failure: 90}}
  sensor: {purge_after_days: {skipped: 1, success: 14, failure: 30}}
"""


def write_dagster_yaml(dagster_home: Path) -> None:
    """Make the folder, and the file in it if there is none.

    Raises:
        StorageError: the disk refused.
    """
    with storage_errors(dagster_home):
        dagster_home.mkdir(parents=True, exist_ok=True)
        if not (dagster_home / "dagster.yaml").exists():
            replace_file(dagster_home / "dagster.yaml", DAGSTER_YAML.encode())
