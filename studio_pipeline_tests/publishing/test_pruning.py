"""Plans of what to remove hold nothing reachable; what is published verifies, whenever a kill comes."""

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.errors import NoReleaseError, RunInProgressError
from studio_pipeline.publishing import pruning
from studio_pipeline.publishing.folders import write_once
from studio_pipeline.publishing.layout import sweep_home
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.pruning import (
    Inventory,
    RetentionConfig,
    Stored,
    plan_removals,
    planned_removals,
    prune,
    size_bytes,
)
from studio_pipeline.publishing.releases import (
    Release,
    current_release,
    publish_release,
    release_history,
    verify_release,
)
from studio_pipeline.publishing.storage import replace_file
from studio_pipeline_tests.publishing.conftest import make_release

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
    write_once(folder / f"v-{run}", lambda place: (place / "table").write_bytes(b"x" * 100), {"run_id": run})
    replace_file(folder / "current", f"v-{run}".encode())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three releases with models, data and asset versions of their own; release 3 has a challenger, too."""
    for number in (1, 2, 3):
        challenger = "2" if number == 3 else None
        asset_version(tmp_path, f"run-{number}")
        made = make_release(tmp_path, number, model_version=str(number), challenger_model_version=challenger)
        publish_release(tmp_path, made)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("pinned", "models"), [(None, ["2", "3"]), ("1", ["1", "2", "3"])])
def test_what_is_published_or_pinned_stays_and_the_rest_goes(home: Path, pinned, models) -> None:
    current = current_release(home)
    assert prune(home, RetentionConfig(), pinned) == [], "the defaults remove nothing young"
    listed = planned_removals(home, STRICT, pinned)
    assert prune(home, STRICT, pinned) == listed
    assert names(home / "models") == models
    assert names(home / "data") == [current.data_version]
    assert names(home / "releases") == ["3.json"]
    # The run of the challenger's model, too, says how good that is.
    assert names(home / "assets" / "raw_studio_months") == ["current", "v-run-2", "v-run-3"]
    verify_release(home, current_release(home))
    assert prune(home, STRICT, pinned) == []


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
    for folder in ("models", "data", "releases", "assets/raw_studio_months"):
        for path in (home / folder).glob(".writing-*"):
            os.utime(path, (0, 0))
    assert len(sweep_home(home)) == 1
    prune(home, STRICT, None)
    assert names(home / "models") == ["2", "3"]
    assert pruning.take_inventory(home, None).releases == [current_release(home)]


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def release(version: int, model: str, data: str, challenger: str | None = None, run: str = "") -> Release:
    published_at = NOW - timedelta(days=400 - version)
    run, last_month = run or f"r{version}", date(2025, 1, 1)
    return Release(model, data, "landing", last_month, run, published_at, {}, challenger, version)


def old(kind: str, name: str, days: float = 365.0, run: str = "", data: str = "") -> Stored:
    return Stored(kind, name, NOW - timedelta(days=days), run, data)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    names = st.sampled_from("abcdefgh")
    count = draw(st.integers(0, 8))
    releases = [
        release(number + 1, draw(names), draw(names), draw(st.none() | names), draw(st.sampled_from("rstu")))
        for number in range(count)
    ]
    # Few ages, most of them old, and many names: so that most homes have something to lose.
    ages = st.sampled_from([1000.0, 900.0, 800.0, 10.0])
    models = [
        old("model", name, draw(ages), draw(st.sampled_from("rstu")), draw(names))
        for name in draw(st.sets(names, min_size=5))
    ]
    data = [old("data", name, draw(ages)) for name in draw(st.sets(names, min_size=5))]
    versions = [
        old("asset version", f"{asset}/v-{run}", draw(ages), run)
        for asset in ("raw", "fit")
        for run in draw(st.sets(st.sampled_from("rstuvwxy"), min_size=4))
    ]
    pointed = frozenset({draw(st.sampled_from([one.name for one in versions]))} if versions else ())
    history = [old("release", f"{number + 1}.json", draw(ages)) for number in range(count)]
    return Inventory(releases, versions, models, data, history, pointed, draw(st.none() | names))


RULES = st.builds(
    RetentionConfig,
    releases=st.integers(1, 10),
    asset_versions=st.integers(1, 5),
    days=st.integers(0, 500),
    history=st.integers(1, 10),
)


@given(inventories(), RULES)
def test_nothing_reachable_is_removed(inventory: Inventory, given_rules: RetentionConfig) -> None:
    removed = {(one.stored.kind, one.stored.name) for one in plan_removals(inventory, given_rules, NOW)}
    for kept in inventory.releases[-given_rules.releases :]:
        assert ("model", kept.model_version) not in removed
        assert ("model", kept.challenger_model_version) not in removed
        assert ("data", kept.data_version) not in removed
        assert ("release", f"{kept.version}.json") not in removed
    for current in inventory.releases[-1:]:
        named = (current.model_version, current.challenger_model_version)
        runs = {model.run_id for model in inventory.models if model.name in named} | {current.run_id}
        assert not any(name.endswith(f"/v-{run}") for _, name in removed for run in runs)
    assert ("model", inventory.pinned_model) not in removed
    assert not {("asset version", name) for name in inventory.pointed_at} & removed
    for asset in ("raw", "fit"):
        mine = [one for one in inventory.asset_versions if one.name.startswith(f"{asset}/")]
        newest_first = sorted(mine, key=lambda one: (one.written_at, one.name), reverse=True)
        latest = {("asset version", one.name) for one in newest_first[: given_rules.asset_versions]}
        assert not latest & removed


@given(inventories(), RULES)
def test_nothing_young_is_removed_and_nothing_at_all_without_a_release(inventory, given_rules) -> None:
    removals = plan_removals(inventory, given_rules, NOW)
    assert all(removal.stored.written_at < NOW - timedelta(days=given_rules.days) for removal in removals)
    assert all(removal.reason for removal in removals)
    assert inventory.releases or not removals


def test_what_no_kept_release_needs_goes() -> None:
    releases = [release(number, f"m{number}", f"d{number}") for number in range(1, 6)]
    inventory = Inventory(
        releases,
        [old("asset version", f"raw/v-r{number}", 100 - number, f"r{number}") for number in range(1, 6)],
        [old("model", f"m{number}", 100, f"r{number}", f"d{number}") for number in range(1, 6)]
        + [old("model", "refused"), old("model", "pinned", data="d1"), old("model", "young", days=1)],
        [old("data", f"d{number}") for number in range(1, 6)],
        [old("release", f"{number}.json") for number in range(1, 6)],
        pinned_model="pinned",
    )
    kept = RetentionConfig(releases=2, asset_versions=1, days=30, history=3)
    removed = [removal.stored.name for removal in plan_removals(inventory, kept, NOW)]
    assert removed == [
        *("raw/v-r4", "raw/v-r3", "raw/v-r2", "raw/v-r1"),
        *("m1", "m2", "m3", "refused"),
        *("d2", "d3"),
        *("1.json", "2.json"),
    ]


def test_a_refresh_keeps_what_its_model_came_from() -> None:
    releases = [release(1, "m1", "d1", run="trained"), release(2, "m1", "d2", run="refreshed")]
    ages = {"trained": 90, "refreshed": 60, "x": 40}
    versions = [old("asset version", f"raw/v-{run}", days, run) for run, days in ages.items()]
    data = [old("data", name) for name in ("d1", "d2", "d0")]
    inventory = Inventory(releases, versions, [old("model", "m1", 90, "trained", "d1")], data)
    removed = plan_removals(inventory, RetentionConfig(releases=1, asset_versions=1), NOW)
    assert [removal.stored.name for removal in removed] == ["d0"]
