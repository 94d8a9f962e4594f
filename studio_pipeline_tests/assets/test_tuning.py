"""The job `tune_learners` on a small fleet, and what the next refresh makes of its result."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from studio_pipeline.automation.jobs import tune_learners
from studio_pipeline.configuration import read_configuration
from studio_pipeline.definitions import build_definitions
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import ASSET_POINTER, asset_folder
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.settings import Settings
from studio_pipeline.tuning.values import ASSET, read_tuned_values
from studio_pipeline_tests.tuning.test_values import store

TREES = {"xgboost": {"n_trees": 5}, "lightgbm": {"n_trees": 5}, "random_forest": {"n_trees": 3}}
FORECASTING = TREES | {"core": {"tuning_rounds": 1}, "backtest": {"folds": 2, "fold_months": 6}}
RECIPE = {"generator": {"studios": 10, "months": 36}, "forecasting": FORECASTING}
LIMITS = {"resources": {"configuration": {"config": {"tuning": {"max_trials": 2, "use_tuned": False}}}}}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("chain")
    (folder / "studio.yaml").write_text(yaml.safe_dump(RECIPE))
    return Settings(home=folder / "home", config=folder / "studio.yaml")


def ran(
    settings: Settings,
    name: str,
    instance: dg.DagsterInstance,
    config: dict[str, Any] | None = None,
    selection: Any = None,
) -> dg.ExecuteInProcessResult:
    job = build_definitions(settings).resolve_job_def(name)
    return job.execute_in_process(instance=instance, run_config=config, asset_selection=selection)


@pytest.mark.slow
# What MLflow and Dagster warn of when they are imported is not this project's.
@pytest.mark.filterwarnings("ignore")
def test_a_refresh_before_and_after_a_search(settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert ran(settings, "refresh_release", instance).success
        assert not asset_folder(settings.home, ASSET).exists()
        with hold_lock(settings.home):
            # A search goes on beside a refresh, which holds this lock.
            done = ran(settings, "tune_learners", instance, LIMITS)
        (made,) = done.asset_materializations_for_node(ASSET)
        assert made.metadata["xgboost_trials"].value == 2.0
        assert len(made.metadata["verdicts"].records) == 3
        assert len(made.metadata["trials"].records) == 6
        assert made.metadata["search_history"].value.startswith("![search_history](data:image/png")
        (check,) = done.get_asset_check_evaluations()
        assert check.passed, check.metadata
        assert read_tuned_values(settings.home).created_at
        verify_folder(asset_folder(settings.home, ASSET) / f"v-{done.run_id}")

        store(settings.home, {"xgboost": {"l2": 5.0}, "lightgbm": {"n_trees": 77}}, "v-planted")
        fits = [dg.AssetKey("xgboost_fit"), dg.AssetKey("lightgbm_fit")]
        refreshed = ran(settings, "refresh_release", instance, selection=fits)
        told = {
            learner: refreshed.asset_materializations_for_node(f"{learner}_fit")[0].metadata
            for learner in ("xgboost", "lightgbm")
        }
        said = told["xgboost"]["hyperparameters_from"].value
        assert said == "l2: tuned; n_trees: configured; all others: default"
        assert told["lightgbm"]["hyperparameters_from"].value == "n_trees: configured; all others: default"
        assert (asset_folder(settings.home, ASSET) / ASSET_POINTER).read_text() == "v-planted"


def test_the_search_begins_where_what_is_stored_is_corrupt(tmp_path: Path) -> None:
    folder = store(tmp_path, {"xgboost": {"l2": 5.0}})
    (folder / "tuned.json").write_text("{}")
    assert isinstance(tune_learners.config, dict)
    overrides = tune_learners.config["resources"]["configuration"]["config"]
    assert read_configuration(None, overrides, tmp_path).forecasting.xgboost.l2 == 200.0
