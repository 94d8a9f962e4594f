"""A home, a Dagster instance on disk, and a job of the real one's name whose two assets take no time."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from studio_pipeline.automation.jobs import REFRESH_RELEASE
from studio_pipeline.panel.ingest.folder_scan import landing_digest
from studio_pipeline.resources.run_configuration import settings_resource
from studio_pipeline.settings import Settings, read_settings

ROW = "studio_id,month_year,total_revenue\na,2024-01,100\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home" / "landing").mkdir(parents=True)
    return read_settings(None, home=tmp_path / "home")


@pytest.fixture(scope="session")
def empty_instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance without runs: its tables take longer to make than to copy."""
    folder = tmp_path_factory.mktemp("instance")
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        made.get_runs()
        made.fetch_materializations(dg.AssetKey("raw_studio_months"), limit=1)
    return folder


@pytest.fixture
def instance(tmp_path: Path, empty_instance: Path) -> Iterator[dg.DagsterInstance]:
    shutil.copytree(empty_instance, tmp_path / "dagster")
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as real:
        yield real


@dg.asset
def raw_studio_months(settings: dg.ResourceParam[Settings]) -> Any:
    (settings.home / "read").touch()
    return dg.MaterializeResult(metadata={"landing_digest": landing_digest(settings.landing_dir)})


@dg.asset(deps=[raw_studio_months])
def registered_model(settings: dg.ResourceParam[Settings]) -> None:
    if (settings.home / "poisoned").exists():
        raise ValueError("a check stopped the run")


class Pipeline:
    """What `studio up` and people do, without waiting for anything."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance = settings, instance
        self.job = dg.Definitions(
            assets=[raw_studio_months, registered_model],
            jobs=[dg.define_asset_job(REFRESH_RELEASE)],
            resources={"settings": settings_resource(settings)},
            executor=dg.in_process_executor,
        ).resolve_job_def(REFRESH_RELEASE)

    def drop(self, name: str, content: str = ROW, age_seconds: float = 60) -> None:
        """A file appears, by rename, as one that was written `age_seconds` ago."""
        path = self.settings.landing_dir / f".{name}"
        path.write_text(content)
        then = time.time() - age_seconds
        os.utime(path, (then, then))
        path.rename(self.settings.landing_dir / name)

    def begin(self, tags: dict[str, str] | None = None) -> dg.DagsterRun:
        """A run that goes on until it is told to end."""
        return self.instance.create_run_for_job(self.job, tags=tags or {}, status=dg.DagsterRunStatus.STARTED)

    def run(self, tags: dict[str, str] | None = None, selection: list[str] | None = None) -> bool:
        """One run from its beginning to its end; whether it succeeded."""
        keys = [dg.AssetKey(name) for name in selection] if selection else None
        return self.job.execute_in_process(
            instance=self.instance, tags=tags, raise_on_error=False, asset_selection=keys
        ).success


@pytest.fixture
def pipeline(settings: Settings, instance: dg.DagsterInstance) -> Pipeline:
    return Pipeline(settings, instance)


class Daemon:
    """Evaluates a sensor as the daemon does, handing the cursor on."""

    def __init__(self, pipeline: Pipeline, sensor: dg.SensorDefinition) -> None:
        self.pipeline, self.sensor, self.cursor = pipeline, sensor, ""

    def look(self) -> dg.RunRequest | str:
        context = dg.build_sensor_context(
            self.pipeline.instance, cursor=self.cursor or None, resources={"settings": self.pipeline.settings}
        )
        answer = self.sensor(context)
        self.cursor = context.cursor or ""
        if isinstance(answer, dg.SkipReason):
            return str(answer.skip_message)
        assert isinstance(answer, dg.RunRequest)
        return answer

    def asks(self, job: str | None = None) -> dict[str, str]:
        answer = self.look()
        assert answer.job_name == job
        return dict(answer.tags)

    def skips(self, words: str) -> None:
        assert words in str(self.look())
