"""`studio up` under kill -9; and a backup of it under load, restored elsewhere."""

import os
import sys
from pathlib import Path

import pytest

from studio_pipeline.publishing.releases import current_release
from studio_pipeline_tests.benchmarks.kills import KilledHome, free_ports, kill_often, make_home
from studio_pipeline_tests.cli.conftest import start_studio

ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TARGETS = ("run", "daemon", "up")
"""Once each; `campaigns/test_many_kills.py` has more, of the service and of the web server as well."""


@ONLY_LINUX
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_random_it_comes_back_whole_and_loses_no_file(tmp_path: Path) -> None:
    recoveries = kill_often(tmp_path, len(TARGETS), seed=3, targets=TARGETS)
    assert set(recoveries) == {*TARGETS, "settled"}


@ONLY_LINUX
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_backup_under_load_restores_elsewhere_and_a_second_up_is_refused(tmp_path: Path) -> None:
    home = make_home(tmp_path, free_ports(), new_months=1)
    archive, question = tmp_path / "backup.tar.gz", {"studio_id": str(home.months["studio_id"].iloc[0])}
    home.start_up()
    try:
        home.drop()
        told = said(home, "backup", str(archive))
        assert "Release " in told
        before = home.answer("/api/v1/predict/forward", question)
        service, web = free_ports()
        refused = said(home, "up", "--port", str(service), "--dagster-port", str(web), statuses=(1,))
        assert f"is running on {home.home} already (process " in refused
    finally:
        home.stop()
    other = KilledHome(tmp_path / "elsewhere", free_ports(), home.months, dropped=1)
    assert "is in" in said(home, "restore", str(archive), "--to", str(other.home))
    assert f"Release {current_release(other.home).version}" in said(other, "status")
    other.start_up()
    try:
        other.check()
        after = other.answer("/api/v1/predict/forward", question)
        if before["data_version"] == after["data_version"]:
            assert after["predictions"] == before["predictions"]
    finally:
        other.stop()
    home.home.rename(tmp_path / "gone")
    said(other, "run", statuses=(0, 3))
    other.shown = 0
    assert f"Release {current_release(other.home).version}" in said(other, "status")


def said(home: KilledHome, *arguments: str, statuses: tuple[int, ...] = (0,)) -> str:
    path = os.pathsep.join(sys.path)
    recipe = str(home.home.parent / "quick.yaml")
    process = start_studio(home.home, *arguments, STUDIO_CONFIG=recipe, PYTHONPATH=path)
    output, _ = process.communicate()
    assert process.returncode in statuses, output
    return output
