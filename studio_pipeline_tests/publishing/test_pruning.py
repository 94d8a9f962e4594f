"""Removing for real: what is published still verifies, at whatever moment a kill comes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from studio_pipeline.errors import NoReleaseError, RunInProgressError
from studio_pipeline.publishing import pruning
from studio_pipeline.publishing.folders import write_once
from studio_pipeline.publishing.layout import sweep_home
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.pruning import RetentionConfig, planned_removals, prune, size_bytes
from studio_pipeline.publishing.releases import (
    current_release,
    publish_release,
    release_history,
    verify_release,
)
from studio_pipeline.publishing.storage import replace_file
from studio_pipeline_tests.publishing.conftest import MakeRelease

STRICT = RetentionConfig(releases=1, asset_versions=1, days=0, history=1)
PRUNE = """
import os, signal, sys
from pathlib import Path
from studio_pipeline.publishing import pruning
from studio_pipeline.publishing.pruning import RetentionConfig

removed = 0
whole = pruning._remove
def killed(path):
    global removed
    if removed == int(sys.argv[2]):
        rename = Path.rename
        def then_die(self, target):
            rename(self, target)
            os.kill(os.getpid(), signal.SIGKILL)
        Path.rename = then_die
    removed += 1
    whole(path)
pruning._remove = killed
pruning.prune(Path(sys.argv[1]), RetentionConfig(releases=1, asset_versions=1, days=0, history=1), None)
"""


def asset_version(home: Path, run: str) -> None:
    folder = home / "assets" / "raw_studio_months"
    write_once(
        folder / f"v-{run}", lambda place: (place / "table.parquet").write_bytes(b"x" * 100), {"run_id": run}
    )
    replace_file(folder / "current", f"v-{run}".encode())


@pytest.fixture
def home(tmp_path: Path, make_release: MakeRelease) -> Path:
    """Three releases with models, data and asset versions of their own; release 3 has a challenger, too."""
    for number in (1, 2, 3):
        challenger = "2" if number == 3 else None
        asset_version(tmp_path, f"run-{number}")
        made = make_release(tmp_path, number, model_version=str(number), challenger_model_version=challenger)
        publish_release(tmp_path, made)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_published_stays_and_the_rest_goes(home: Path) -> None:
    current = current_release(home)
    listed = planned_removals(home, STRICT, None)
    assert prune(home, STRICT, None) == listed
    assert names(home / "models") == ["2", "3"]
    assert names(home / "data") == [current.data_version]
    assert names(home / "releases") == ["3.json"]
    # The run of the challenger's model, too, says how good that is.
    assert names(home / "assets" / "raw_studio_months") == ["current", "v-run-2", "v-run-3"]
    verify_release(home, current_release(home))
    assert prune(home, STRICT, None) == []


def test_a_pinned_model_stays(home: Path) -> None:
    prune(home, STRICT, "1")
    assert names(home / "models") == ["1", "2", "3"]


def test_the_defaults_remove_nothing_young(home: Path) -> None:
    assert prune(home, RetentionConfig(), None) == []


def test_nothing_is_removed_beside_a_run_or_without_a_release(home: Path, tmp_path: Path) -> None:
    with hold_lock(home), pytest.raises(RunInProgressError):
        prune(home, STRICT, None)
    (home / "release.json").unlink()
    with pytest.raises(NoReleaseError):
        prune(home, STRICT, None)
    assert names(home / "models") == ["1", "2", "3"]


@pytest.mark.parametrize("removed_before", range(5))
def test_a_kill_at_any_moment_leaves_whole_things(home: Path, removed_before: int) -> None:
    done = subprocess.run([sys.executable, "-c", PRUNE, home, str(removed_before)], check=False)
    assert done.returncode == -signal.SIGKILL
    for release in release_history(home)[-1:]:
        verify_release(home, release)
    for version in names(home / "models"):
        if not version.startswith("."):
            assert size_bytes(home / "models" / version) > 0
    for path in (
        path
        for folder in ("models", "data", "releases", "assets/raw_studio_months")
        for path in (home / folder).glob(".writing-*")
    ):
        os.utime(path, (0, 0))
    assert len(sweep_home(home)) == 1
    prune(home, STRICT, None)
    assert names(home / "models") == ["2", "3"]
    assert pruning.take_inventory(home, None).releases == [current_release(home)]
