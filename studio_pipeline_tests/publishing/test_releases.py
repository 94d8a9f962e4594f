import dataclasses
import json
import math
from datetime import date
from pathlib import Path

import pytest

from studio_pipeline.errors import (
    CorruptReleaseError,
    NoReleaseError,
    ReleaseError,
    RunInProgressError,
    StorageError,
    SyntheticReleaseError,
)
from studio_pipeline.publishing.bundles import model_manifests, model_versions
from studio_pipeline.publishing.layout import sweep_home
from studio_pipeline.publishing.locks import PUBLISH_LOCK, hold_lock
from studio_pipeline.publishing.releases import (
    current_release,
    pointer_identity,
    publish_release,
    release_history,
)
from studio_pipeline.publishing.storage import TEMPORARY_PREFIX
from studio_pipeline_tests.publishing.conftest import make_release


def test_nothing_is_published_at_first(tmp_path: Path) -> None:
    assert pointer_identity(tmp_path) is None
    assert release_history(tmp_path) == []
    with pytest.raises(NoReleaseError, match="studio run"):
        current_release(tmp_path)


def test_a_release_comes_back_as_it_went(tmp_path: Path) -> None:
    release = make_release(tmp_path, metrics={"wape": 0.03, "mase": float("nan")})
    published = publish_release(tmp_path, release)
    assert published.version == 1
    assert current_release(tmp_path) == dataclasses.replace(release, version=1, metrics={"wape": 0.03})
    assert model_manifests(tmp_path)["1"].details == {"model_version": "1", "run_id": "run-1"}


def test_releases_are_numbered_and_kept(published: Path) -> None:
    before = pointer_identity(published)
    second = publish_release(published, make_release(published, seed=1, model_version="2"))
    assert second.version == 2
    assert current_release(published) == second
    assert pointer_identity(published) != before
    made = make_release(published, model_version="2", last_month=date(2022, 1, 1))
    third = publish_release(published, made)
    assert (third.model_version, third.last_month) == ("2", date(2022, 1, 1)), "other months, the same model"
    assert third.data_version != second.data_version
    assert [release.model_version for release in release_history(published)] == ["1", "2", "2"]


def test_a_challenger_has_its_place_and_is_verified(published: Path) -> None:
    make_release(published, model_version="2")
    release = make_release(published, challenger_model_version="2")
    assert publish_release(published, release).challenger_model_version == "2"
    (published / "models" / "2" / "weights.json").unlink()
    with pytest.raises(CorruptReleaseError, match=r"weights\.json is missing"):
        publish_release(published, release)


@pytest.mark.parametrize("part", ["models/2/graphs/revenue.onnx", "data/{data}/panel.npz"])
def test_a_release_that_does_not_verify_is_refused_and_the_old_one_stays(published: Path, part: str) -> None:
    old, identity = current_release(published), pointer_identity(published)
    release = make_release(published, seed=1, model_version="2")
    (published / part.format(data=release.data_version)).write_bytes(b"rubbish")
    with pytest.raises(CorruptReleaseError, match="is not the file that was published"):
        publish_release(published, release)
    assert (current_release(published), pointer_identity(published)) == (old, identity)
    assert [entry.version for entry in release_history(published)] == [1]


def test_a_release_of_what_is_not_there_is_refused(published: Path) -> None:
    with pytest.raises(CorruptReleaseError):
        publish_release(published, dataclasses.replace(current_release(published), model_version="9"))


@pytest.mark.parametrize("name", ["", "..", "../1", "a/b", ".hidden", "/etc"])
def test_a_version_is_never_a_path(published: Path, name: str) -> None:
    with pytest.raises(ReleaseError, match="can't be a version"):
        publish_release(published, dataclasses.replace(current_release(published), model_version=name))


def test_real_months_replace_generated_ones_and_never_the_reverse(tmp_path: Path) -> None:
    publish_release(tmp_path, make_release(tmp_path, source="generator"))
    synthetic = make_release(tmp_path, seed=1, source="generator")
    publish_release(tmp_path, synthetic)
    assert publish_release(tmp_path, make_release(tmp_path, seed=2)).version == 3
    with pytest.raises(SyntheticReleaseError, match="landing folder"):
        publish_release(tmp_path, synthetic)
    assert current_release(tmp_path).version == 3


def test_generated_months_do_not_replace_real_ones_behind_a_corrupt_pointer(published) -> None:
    (published / "release.json").write_text("{")
    with pytest.raises(CorruptReleaseError, match=r"release\.json"):
        current_release(published)
    with pytest.raises(SyntheticReleaseError):
        publish_release(published, make_release(published, source="generator"))
    healed = publish_release(published, make_release(published, seed=1))
    assert current_release(published) == healed
    assert healed.version == 2


@pytest.mark.parametrize(
    "change",
    [
        {"version": "x"}, {"version": 0}, {"version": True}, {"version": 1.5}, {"model_version": 1},
        {"data_version": None}, {"run_id": ["run-1"]}, {"challenger_model_version": 2},
        {"source": "guess"}, {"source": ["landing"]}, {"metrics": {"wape": {}}},
        {"metrics": {"wape": "0.1"}}, {"metrics": {"wape": math.nan}}, {"metrics": {"wape": 10**400}},
        {"metrics": [0.1]}, {"last_month": 202112}, {"published_at": None}, {"colour": "red"},
        "[]", "null", "3", "{}", "[" * 200_000,
    ],
)  # fmt: skip
def test_a_pointer_of_wrong_types_is_corrupt(published: Path, change: dict[str, object] | str) -> None:
    pointer = published / "release.json"
    changed = change if isinstance(change, str) else json.dumps(json.loads(pointer.read_text()) | change)
    pointer.write_text(changed)
    with pytest.raises(CorruptReleaseError, match=r"release\.json can't be read"):
        current_release(published)


def test_a_pointer_that_can_not_be_looked_at_is_a_refusal_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "release.json").symlink_to("release.json")
    with pytest.raises(StorageError, match=r"release\.json"):
        pointer_identity(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="A file stands"):
        pointer_identity(tmp_path / "file")


def test_a_history_entry_that_never_became_current_is_not_history(published: Path) -> None:
    entry = json.loads((published / "releases" / "1.json").read_text())
    (published / "releases" / "2.json").write_text(json.dumps({**entry, "version": 2, "run_id": "killed"}))
    assert [release.version for release in release_history(published)] == [1]
    assert publish_release(published, make_release(published, seed=1)).version == 2
    assert [release.run_id for release in release_history(published)] == ["run-1", "run-1"]


def test_two_publishers_at_once_refuse_politely(published: Path) -> None:
    with hold_lock(published, PUBLISH_LOCK), pytest.raises(RunInProgressError):
        publish_release(published, make_release(published, seed=1))
    assert current_release(published).version == 1


def test_versions_are_in_order_and_without_the_half_written(published: Path) -> None:
    for version in ["10", "2", "trial-a"]:
        make_release(published, model_version=version)
    leftover = published / "models" / f"{TEMPORARY_PREFIX}11-1-ab"
    leftover.mkdir()
    (leftover / "manifest.json").write_text("{}")
    assert model_versions(published) == ["1", "2", "10", "trial-a"]
    assert sweep_home(published, min_age_seconds=0) == [leftover]
