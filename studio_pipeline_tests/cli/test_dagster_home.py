"""The `dagster.yaml` that a home gets: renewed while it is ours, then left alone, and without secrets."""

from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.storage.runs import SqliteRunStorage

from studio_pipeline.cli.dagster_home import DATABASE_VARIABLE, write_dagster_yaml
from studio_pipeline.settings import Settings
from studio_pipeline_tests.serving.postgresql import temporary_database, url_of

FIRST_VERSION = """\
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


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, "")


def settings_of(home: Path, url: str | None = None) -> Settings:
    return Settings(home=home, dagster_home=home / "dagster", dagster_database_url=url)


def written(home: Path) -> str:
    return (home / "dagster" / "dagster.yaml").read_text()


def test_dagster_takes_it_and_finds_queued_runs_at_once(tmp_path: Path) -> None:
    assert write_dagster_yaml(settings_of(tmp_path))
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        coordinator = instance.run_coordinator
        assert isinstance(coordinator, QueuedRunCoordinator)
        assert coordinator.dequeue_interval_seconds == 1
        assert coordinator.get_run_queue_config().max_concurrent_runs == 1
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        assert isinstance(instance.run_storage, SqliteRunStorage)


def test_it_is_renewed_with_version_and_setting_and_a_changed_one_is_left_alone(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    write_dagster_yaml(settings)
    ours = written(tmp_path)
    (tmp_path / "dagster" / "dagster.yaml").write_text(FIRST_VERSION)
    assert write_dagster_yaml(settings)
    assert written(tmp_path) == ours
    for changed in (FIRST_VERSION + "\n# mine", ours.replace("14400", "60")):
        (tmp_path / "dagster" / "dagster.yaml").write_text(changed)
        assert not write_dagster_yaml(settings)
        assert written(tmp_path) == changed
    (tmp_path / "dagster" / "dagster.yaml").write_text(ours)
    write_dagster_yaml(settings_of(tmp_path, "postgresql+psycopg2://studio:geheim@db:5432/dagster"))
    assert "geheim" not in written(tmp_path)
    assert DATABASE_VARIABLE in written(tmp_path)
    write_dagster_yaml(settings)
    assert written(tmp_path) == ours


def test_records_go_to_postgresql(tmp_path: Path) -> None:
    with temporary_database() as name:
        url = url_of(name).replace("postgresql://", "postgresql+psycopg2://")
        write_dagster_yaml(settings_of(tmp_path, url))
        with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
            assert dg.materialize([one], instance=instance).success
            instance.upgrade()
        with psycopg.connect(url_of(name)) as records:
            assert records.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert not list(tmp_path.rglob("*.db"))


@dg.asset
def one() -> int:
    return 1
