"""The course of a home's releases through the real graph: each run on what the runs before it left."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from studio_pipeline.assets import evaluation
from studio_pipeline.automation.jobs import ROLLBACK_OP
from studio_pipeline.definitions import build_definitions
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.publishing.model_records import backtest_of, recipe_of
from studio_pipeline.publishing.releases import Release, current_release, verify_release
from studio_pipeline.resources.mlflow_tracking import MODEL_NAME, registry_number
from studio_pipeline.settings import read_settings
from studio_pipeline_tests.cli.conftest import QUICK

MONTHS = generate_months(GeneratorConfig(studios=8, months=32))
LAST = MONTHS["month_year"].max()


@dataclass(frozen=True)
class Home:
    """A STUDIO_HOME, and the instance that its runs are recorded in."""

    path: Path
    instance: dg.DagsterInstance

    def land(self, months_short: int, **changes: float) -> None:
        """Files until some months before the last one; single columns of the last month multiplied."""
        months = MONTHS[MONTHS["month_year"] <= LAST - pd.DateOffset(months=months_short)].copy()
        newest = months["month_year"] == months["month_year"].max() - pd.DateOffset(months=2)
        for column, factor in changes.items():
            months.loc[newest, column] *= factor
        path = self.path / "landing" / "months.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        months.to_csv(path, index=False, date_format="%Y-%m-%d")

    def run(self, job: str = "refresh_release", **config: Any) -> tuple[Release, dict[str, Any]]:
        """Run a job; the release that is current then, and what `registered_model` tells."""
        settings = read_settings()
        whole = build_definitions(settings).resolve_job_def(job)
        assert whole.execute_in_process(instance=self.instance, run_config=config).success
        event = self.instance.get_latest_materialization_event(dg.AssetKey("registered_model"))
        told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
        release = current_release(self.path)
        verify_release(self.path, release)
        return release, told

    def check_passed(self) -> bool:
        key = dg.AssetCheckKey(dg.AssetKey("registered_model"), "new_model_published")
        record = self.instance.get_latest_asset_check_evaluation_record(key)
        return record.event.dagster_event.asset_check_evaluation_data.passed

    def aliases(self) -> dict[str, str]:
        client = MlflowClient(f"sqlite:///{self.path}/mlflow.db", f"sqlite:///{self.path}/mlflow.db")
        return {name: str(number) for name, number in client.get_registered_model(MODEL_NAME).aliases.items()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    recipe = tmp_path / "quick.yaml"
    # Enough origins for an interval.
    forecasting = QUICK["forecasting"] | {"backtest": {"folds": 2, "fold_months": 8}}
    recipe.write_text(yaml.safe_dump({"forecasting": forecasting}))
    monkeypatch.chdir(tmp_path)
    # Pictures and pages take most of such small runs' time, and play no part in what is decided.
    monkeypatch.setattr(evaluation, "write_html_report", lambda *_, **__: None)
    monkeypatch.setattr(evaluation, "figures_of", lambda _: {})
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STUDIO_CONFIG", str(recipe))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Home(tmp_path / "home", instance)


def changed_recipe(**forecasting: Any) -> dict[str, Any]:
    return {"resources": {"configuration": {"config": {"forecasting": forecasting}}}}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_refresh_challenge_rollback_and_loss(home: Home) -> None:
    home.land(months_short=3)
    first, told = home.run()
    assert (told["decision_kind"], first.version, first.model_version) == ("first", 1, "1")
    assert recipe_of(home.path, "1") is not None
    assert backtest_of(home.path, "1")["base_month"].nunique() >= 6

    again, told = home.run()
    assert (told["decision_kind"], told["published"], again) == ("nothing_new", False, first)
    assert home.check_passed()

    home.land(months_short=2)
    refreshed, told = home.run()
    assert (told["decision_kind"], told["published"]) == ("refresh_published", True)
    assert told["model_promoted"]
    assert (refreshed.version, refreshed.model_version) == (2, "2")
    assert told["difference_1-12_origins"] > 0
    assert home.aliases() == {"champion": "2"}

    home.land(months_short=1)
    refused, told = home.run(**changed_recipe(seed=8))
    assert (told["decision_kind"], told["answers"]) == ("challenge_refused", "refit")
    assert not told["model_promoted"]
    assert "is refused" not in told["decision"]
    assert not home.check_passed()
    challenger = refused.challenger_model_version
    assert challenger is not None
    recipes = [recipe_of(home.path, version) for version in ("2", refused.model_version, challenger)]
    assert recipes[0] == recipes[1] != recipes[2]
    numbers = [registry_number(version) for version in (refused.model_version, challenger)]
    assert home.aliases() == dict(zip(("champion", "challenger"), numbers, strict=True))
    same, told = home.run(**changed_recipe(seed=8))
    assert (told["decision_kind"], same) == ("nothing_new", refused)

    back, told = home.run("rollback_release", ops={ROLLBACK_OP: {"config": {"version": "2"}}})
    assert (back.version, back.model_version) == (refused.version + 1, "2")
    assert back.challenger_model_version is None
    assert (back.data_version, back.decision_kind) == (refused.data_version, "rollback")
    assert told["decision"] == f"Rolled back by hand from model {refused.model_version} to model 2."
    assert home.aliases() == {"champion": "2"}
    stays, told = home.run()
    assert (told["decision_kind"], stays) == ("nothing_new", back)

    home.land(months_short=3)
    shrunk, told = home.run()
    assert (told["decision_kind"], shrunk.model_version) == ("refresh_refused", "2")
    assert "the data end in" in told["findings"]

    home.land(months_short=1, total_revenue=1.01)
    corrected, told = home.run()
    assert (told["decision_kind"], corrected.last_month) == ("refresh_published", back.last_month)
    assert corrected.data_version != back.data_version

    shutil.rmtree(home.path / "models" / corrected.model_version)
    recovered, told = home.run()
    assert told["decision_kind"] == "first"
    assert f"in the place of model {corrected.model_version}" in told["decision"]
    assert recovered.model_version != corrected.model_version
