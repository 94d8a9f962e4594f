"""One run at a time on a STUDIO_HOME, whichever door it comes through."""

import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from studio_pipeline.definitions import build_definitions, defs
from studio_pipeline.errors import RunInProgressError
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.resources.run_configuration import settings_resource
from studio_pipeline.settings import Settings


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def materialise(home: Path) -> bool:
    @dg.asset(required_resource_keys={"settings"})
    def one() -> None:
        assert blas_threads() == {1}
        with pytest.raises(RunInProgressError):
            hold_lock(home).__enter__()

    return dg.materialize([one], resources={"settings": settings_resource(Settings(home=home))}).success


def test_a_run_has_the_lock_and_one_thread_of_blas_until_it_ends(tmp_path: Path) -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        assert materialise(tmp_path)
        assert blas_threads() == before
    resource = {"settings": settings_resource(Settings(home=tmp_path))}
    with hold_lock(tmp_path), dg.build_resources(resource) as looking:
        assert looking.settings.home == tmp_path, "to look at an asset takes no lock"


def test_no_asset_is_materialised_beside_another_run(tmp_path: Path) -> None:
    job = build_definitions(Settings(home=tmp_path)).resolve_implicit_global_asset_job_def()
    steps = [list(step.keys) for step in defs.resolve_asset_graph().assets_defs if step.keys]
    assert len(steps) > 10
    for keys in steps:
        with hold_lock(tmp_path), pytest.raises(dg.DagsterResourceFunctionError) as caught:
            job.execute_in_process(asset_selection=keys)
        assert isinstance(caught.value.__cause__, RunInProgressError), keys
        assert f"process {os.getpid()}, started at 20" in str(caught.value.__cause__)
        assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


@pytest.mark.slow
def test_dagster_s_own_command_names_the_run_that_is_in_its_way(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "dagster").mkdir(parents=True)
    environment = os.environ | {"STUDIO_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    command = ["-m", "dagster", "asset", "materialize", "-m", "studio_pipeline.definitions"]
    with hold_lock(home):
        began = time.monotonic()
        arguments = [sys.executable, *command, "--select", "raw_studio_months"]
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, **both, check=False)
    assert done.returncode == 1
    assert f"Another run is using {home} (process {os.getpid()}, started at 20" in done.stdout
    assert time.monotonic() - began < 60
    assert not (home / "assets").exists()
