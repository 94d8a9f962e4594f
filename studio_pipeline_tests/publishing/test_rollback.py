"""Rolling back: what it publishes, and everything it refuses before it changes anything."""

from functools import partial
from pathlib import Path

import pytest

from studio_pipeline.errors import CorruptReleaseError, ModelFormatError, NoReleaseError, ReleaseError
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.releases import current_release, publish_release, release_history
from studio_pipeline.publishing.rollback import check_rollback, roll_back
from studio_pipeline_tests.forecasting.fleets import small_fleet
from studio_pipeline_tests.publishing.conftest import make_release


def write_model(home: Path, version: str, source: str = "landing", wape: float = 0.05) -> None:
    write_bundle(home, version, small_fleet().model.save, {"source": source, "metrics": {"wape": wape}})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Model 1, then model 2 with a challenger and other months."""
    write_model(tmp_path, "1", wape=0.01)
    for version in ("2", "3"):
        write_model(tmp_path, version)
    publish_release(tmp_path, make_release(tmp_path))
    publish_release(tmp_path, make_release(tmp_path, 1, model_version="2", challenger_model_version="3"))
    return tmp_path


def test_an_older_model_answers_from_todays_data_and_back_again(home: Path) -> None:
    before = current_release(home)
    after = roll_back(home, "1", "run-x")
    assert current_release(home) == after
    assert (after.version, after.model_version, after.data_version) == (3, "1", before.data_version)
    assert (after.challenger_model_version, after.decision_kind, after.run_id) == (None, "rollback", "run-x")
    assert after.metrics == {"wape": 0.01}
    assert after.last_month == before.last_month
    assert after.published_at > before.published_at
    assert roll_back(home, "2", "run-y").version == 4
    assert [release.model_version for release in release_history(home)] == ["1", "2", "1", "2"]


@pytest.mark.parametrize("version", ["9", "..", "", "1/../2", "a" * 200])
def test_an_unknown_model_is_refused_and_the_known_are_named(home: Path, version: str) -> None:
    with pytest.raises(ReleaseError, match="The models are 1, 2, 3"):
        roll_back(home, version, "run-x")
    assert current_release(home).version == 2


def test_the_current_model_and_one_of_other_months_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="Model 2 is current already, in release 2"):
        check_rollback(home, "2")
    write_model(home, "4", source="generator")
    with pytest.raises(ReleaseError, match="'generator'"):
        roll_back(home, "4", "run-x")
    assert current_release(home).version == 2
    with pytest.raises(NoReleaseError):
        roll_back(tmp_path / "empty", "1", "run-x")


def test_a_corrupt_bundle_and_one_that_is_no_model_are_refused(home: Path) -> None:
    with (home / "models" / "1" / "model.json").open("a") as file:
        file.write(" ")
    with pytest.raises(CorruptReleaseError, match="is not the file that was published"):
        roll_back(home, "1", "run-x")
    contents = {"5": "{}", "6": '{"format": 4}'}
    for version, content in contents.items():
        write = partial(lambda it, folder: (folder / "model.json").write_text(it), content)
        write_bundle(home, version, write, {"source": "landing"})
    with pytest.raises(ModelFormatError, match=r"has format None; .*Run `studio run`"):
        roll_back(home, "5", "run-x")
    with pytest.raises(CorruptReleaseError, match="no model that this program can answer from"):
        roll_back(home, "6", "run-x")
    assert current_release(home).version == 2
