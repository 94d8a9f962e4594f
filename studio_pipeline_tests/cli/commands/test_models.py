"""`studio models`, `studio rollback` and `studio status` on a home with several models, without a run."""

from pathlib import Path

import pytest

from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.releases import Release, current_release, publish_release
from studio_pipeline.publishing.rollback import roll_back
from studio_pipeline_tests.cli.conftest import studio
from studio_pipeline_tests.forecasting.fleets import small_fleet
from studio_pipeline_tests.publishing.conftest import make_release

METRICS = {
    "revenue_wape_1-3_ensemble": 0.031,
    "revenue_wape_1-12_ensemble": 0.052,
    "revenue_coverage_90_1-12": 0.93,
}


def publish(home: Path, version: str, challenger: str | None = None, **details: object) -> Release:
    for name in filter(None, (version, challenger)):
        write_bundle(home, name, small_fleet().model.save, {"source": "landing", **details})
    made = make_release(home, model_version=version, challenger_model_version=challenger)
    return publish_release(home, made)


def test_versions_are_listed_with_figures_and_roles(home: Path) -> None:
    assert "There is no model" in studio("models").output
    assert not home.exists()
    publish(home, "1")
    versions = {"recipe_version": "abc123def456", "data_version": "d1", "last_month": "2021-12-01"}
    publish(home, "2", "3", metrics=METRICS, **versions)
    (home / "models" / "4").mkdir()
    (home / "models" / "4" / "manifest.json").write_text("{")
    result = studio("models")
    assert result.exit_code == 0, result.output
    old, champion, challenger, broken = result.output.splitlines()[2:]
    assert old.split()[:7] == ["1", "-", "-", "-", "-", "-", "-"]
    assert champion.split()[:8] == ["2", "champion", "3.1%", "5.2%", "93.0%", "abc123def456", "d1", "2021-12"]
    assert challenger.split()[:2] == ["3", "challenger"]
    assert broken.split() == ["4", "unreadable"]


def test_status_tells_of_a_challenger_and_of_a_rollback(home: Path) -> None:
    publish(home, "1")
    publish(home, "2", "3")
    assert "model       2, with model 3 as its challenger" in studio("status").output
    roll_back(home, "1", "run-x")
    assert "model       1, made current by a rollback from model 2; it stays until" in studio("status").output


@pytest.mark.parametrize(
    ("version", "said"), [("7", "There is no model '7'"), ("1", "Model 1 is current already")]
)
def test_what_can_not_be_is_refused_before_a_run(home: Path, version: str, said: str) -> None:
    release = publish(home, "1")
    result = studio("rollback", version)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
    assert current_release(home) == release
    assert not (home / "dagster").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_rollback_is_a_run_with_lineage(home: Path) -> None:
    publish(home, "1")
    before = publish(home, "2")
    result = studio("rollback", "1")
    assert result.exit_code == 0, result.output
    assert "Release 3 is published: model 1 in the place of 2" in result.output
    now = current_release(home)
    assert (now.model_version, now.data_version) == ("1", before.data_version)
    assert (home / "forecasts" / "studio_forecasts.csv").exists()
