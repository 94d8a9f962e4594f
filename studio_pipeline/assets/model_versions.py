"""New model versions: registered in MLflow, written as bundles under the number that the registry gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio_pipeline.assets.results import numbers
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.paired_errors import kept_rows
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.recipe import Recipe
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.layout import model_folder
from studio_pipeline.publishing.model_records import write_records
from studio_pipeline.publishing.releases import Release
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking
from studio_pipeline.settings import Settings


@dataclass(frozen=True)
class Trained:
    """What a model version is written from.

    Attributes:
        model: the model.
        recipe: what it was fitted by.
        report: its backtest.
        native_models: the learners in their libraries' own formats, by file name.
        target: whose backtest rows are kept, to be paired with later ones.
    """

    model: StudioModel
    recipe: Recipe
    report: EvaluationReport
    native_models: Mapping[str, bytes]
    target: str

    @property
    def metrics(self) -> dict[str, float]:
        """Figures of its backtest."""
        return numbers(self.report.summary)

    def write(self, folder: Path) -> None:
        """Fill the folder of a bundle."""
        self.model.save(folder)
        write_records(folder, self.recipe, kept_rows(self.report.predictions, self.target))


def write_version(trained: Trained, release: Release, settings: Settings, mlflow: MlflowTracking) -> str:
    """Register a model fitted on a release's data, write its bundle, and answer its version."""
    artifacts = f"models/{trained.recipe.version}"
    mlflow.log(
        Entry(files={f"{artifacts}/{name}": content for name, content in trained.native_models.items()})
    )
    tags = {
        "dagster_run_id": release.run_id,
        "data_version": release.data_version,
        "recipe_version": trained.recipe.version,
    }
    number = mlflow.register(tags, artifacts)
    taken = model_folder(settings.home, number).exists()
    version = f"{number}-{release.run_id[:8]}" if taken else number
    details = {
        "run_id": release.run_id,
        "data_version": release.data_version,
        "last_month": release.last_month.isoformat(),
        "source": release.source,
        "mlflow_version": number,
        "recipe_version": trained.recipe.version,
        "metrics": trained.metrics,
    }
    write_bundle(settings.home, version, trained.write, details)
    return version
