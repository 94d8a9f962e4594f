"""MLflow: one run a Dagster run, what was logged is there, the champion moves, failures are marked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from mlflow import MlflowClient

from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.resources.mlflow_tracking import (
    CHALLENGER,
    CHAMPION,
    MODEL_NAME,
    Entry,
    MlflowTracking,
    flat_parameters,
    open_run,
)
from studio_pipeline.resources.run_configuration import settings_resource
from studio_pipeline.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow")


def run(home: Path, *bodies: Callable[[MlflowTracking], None], raise_on_error: bool = True) -> str:
    def as_asset(number: int, body: Callable[[MlflowTracking], None]) -> dg.AssetsDefinition:
        @dg.asset(name=f"step_{number}", deps=[f"step_{number - 1}"] if number else [])
        def step(mlflow: MlflowTracking) -> None:
            body(mlflow)

        return step

    result = dg.materialize(
        [as_asset(number, body) for number, body in enumerate(bodies)],
        resources={"mlflow": MlflowTracking(settings=settings_resource(Settings(home=home)))},
        raise_on_error=raise_on_error,
    )
    return str(result.run_id)


def client_of(home: Path) -> MlflowClient:
    uri = f"sqlite:///{home / 'mlflow.db'}"
    return MlflowClient(uri, uri)


def runs_of(client: MlflowClient, dagster_run_id: str) -> list[Any]:
    experiment = client.get_experiment_by_name("studio_revenue")
    return list(client.search_runs([experiment.experiment_id], f"tags.dagster_run_id = '{dagster_run_id}'"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def test_what_several_assets_log_is_in_one_run(home: Path) -> None:
    many = flat_parameters(ForecastingConfig(), "model") | {f"p{number}": number for number in range(150)}
    assert many["model.xgboost.n_trees"] == ForecastingConfig().xgboost.n_trees
    first = Entry(parameters=many, files={"models/a.ubj": b"tree"})
    second = Entry(metrics={"wape": 0.04}, tags={"data_version": "d1"})
    run_id = run(home, lambda mlflow: mlflow.log(first), lambda mlflow: mlflow.log(second))
    client = client_of(home)
    (found,) = runs_of(client, run_id)
    assert found.data.params == {name: str(value) for name, value in many.items()}
    assert found.data.metrics == {"wape": 0.04}
    assert found.data.tags["data_version"] == "d1"
    assert found.info.status == "FINISHED"
    assert (home / "mlflow" / found.info.run_id / "artifacts" / "models" / "a.ubj").read_bytes() == b"tree"


def test_versions_count_up_and_the_aliases_are_moved_last(home: Path) -> None:
    numbers: list[str] = []

    def register(mlflow: MlflowTracking) -> None:
        mlflow.log(Entry(files={"models/a.ubj": b"tree"}))
        numbers.append(mlflow.register({"data_version": "d1"}, "models"))

    run(home, register)
    client = client_of(home)
    assert client.get_registered_model(MODEL_NAME).aliases == {}
    run(home, register, lambda mlflow: mlflow.set_aliases(f"{numbers[1]}-abcdef12", numbers[0]))
    assert int(numbers[1]) == int(numbers[0]) + 1
    champion = client.get_model_version_by_alias(MODEL_NAME, CHAMPION)
    assert (str(champion.version), champion.tags["data_version"]) == (numbers[1], "d1")
    assert str(client.get_model_version_by_alias(MODEL_NAME, CHALLENGER).version) == numbers[0]
    run(home, lambda mlflow: mlflow.set_aliases(numbers[0], None))
    assert client.get_registered_model(MODEL_NAME).aliases == {CHAMPION: int(numbers[0])}


def test_a_failed_run_is_marked_and_keeps_what_was_logged(home: Path) -> None:
    def fail(_: MlflowTracking) -> None:
        raise ValueError("no")

    run_id = run(home, lambda mlflow: mlflow.log(Entry(metrics={"a": 1.0})), fail, raise_on_error=False)
    (found,) = runs_of(client_of(home), run_id)
    assert (found.info.status, found.data.metrics) == ("FAILED", {"a": 1.0})


def test_runs_that_a_crash_left_going_on_are_ended_by_the_next(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for name in ("crashed", "lives"):
        open_run(settings, name)
    opened = open_run(settings, "next", is_over=lambda run_id: run_id == "crashed")
    statuses = {
        name: [found.info.status for found in runs_of(opened.client, name)]
        for name in ("crashed", "lives", "next")
    }
    assert statuses == {"crashed": ["KILLED"], "lives": ["RUNNING"], "next": ["RUNNING"]}
