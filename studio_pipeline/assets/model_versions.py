"""Model versions: facts on the published champion, and new bundles registered in MLflow.

The decision between champion and new model is made in `decisions`; the release is published in `registry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.paired_errors import kept_rows
from studio_pipeline.evaluation.promotion.guard_rails import shrinkage
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit
from studio_pipeline.evaluation.promotion.release_decision import Champion, Fitted
from studio_pipeline.forecasting.model.studio_model import Recipe, StudioModel
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import model_folder, shown_from, snapshot_folder
from studio_pipeline.publishing.model_records import recipe_of, write_records
from studio_pipeline.publishing.releases import Release, Source, newest_release
from studio_pipeline.publishing.snapshots import data_version_of, read_panel
from studio_pipeline.resources.asset_results import numbers
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking
from studio_pipeline.settings import Settings

NO_RECIPE = "its bundle was written before bundles kept their recipe"


@dataclass(frozen=True)
class KnownRecipe:
    """Recipe stored in a bundle, as far as it can be read.

    Attributes:
        recipe: None if the bundle has none or it is unreadable.
        obstacle: reason why it can't be fitted again, a clause; empty if it can.
    """

    recipe: Recipe | None
    obstacle: str = ""

    @property
    def version(self) -> str | None:
        """Version of the recipe; None if it is unknown."""
        return None if self.recipe is None else self.recipe.version


def source_of(instance: dg.DagsterInstance) -> Source:
    """Source of the latest raw months: landing folder or generator."""
    event = instance.get_latest_materialization_event(dg.AssetKey("raw_studio_months"))
    stored = (
        event.asset_materialization.metadata["source"].value
        if event and event.asset_materialization
        else None
    )
    return "landing" if stored == "landing" else "generator"


def champion_of(settings: Settings, source: Source) -> Release | None:
    """The published release if its months have this source; synthetic and real ones are not compared."""
    release = newest_release(settings.home)
    return release if release is not None and release.source == source else None


def known_recipe(settings: Settings, model_version: str) -> KnownRecipe:
    """Read the recipe of a bundle."""
    try:
        recipe = recipe_of(settings.home, model_version)
    except CorruptReleaseError as error:
        return KnownRecipe(None, f"its recipe can't be read ({shown_from(settings.home, error.what)})")
    return KnownRecipe(None, NO_RECIPE) if recipe is None else KnownRecipe(recipe, recipe.obstacle)


def fault_of(settings: Settings, model_version: str) -> str:
    """Reason why a bundle can't be used, a clause; empty if it is intact."""
    try:
        verify_folder(model_folder(settings.home, model_version))
    except CorruptReleaseError as error:
        return shown_from(settings.home, error.what).rstrip(".")
    return ""


def champion_facts(
    settings: Settings, release: Release, panel: StudioPanel, refit: ChampionRefit, shrink_tolerance: float
) -> Champion:
    """Facts on the published release that the decision needs.

    Args:
        settings: with the STUDIO_HOME that holds it.
        release: the published one.
        panel: today's months.
        refit: its recipe fitted on them, if there is one.
        shrink_tolerance: see `guard_rails.shrinkage`.
    """
    fault = fault_of(settings, release.model_version)
    if fault:
        return Champion(release.model_version, None, fault=fault)
    known, today = known_recipe(settings, release.model_version), data_version_of(panel)
    manifest = verify_folder(model_folder(settings.home, release.model_version))
    one, challenger = refit.refitted, release.challenger_model_version
    return Champion(
        release.model_version,
        known.version,
        is_todays=manifest.details.get("data_version") == today,
        release_is_todays=release.data_version == today,
        is_rolled_back=release.decision_kind == "rollback",
        challenger_recipe=known_recipe(settings, challenger).version if challenger else None,
        shrunk=_shrunk(settings, release, panel, shrink_tolerance),
        refit=None if one is None else Fitted(one.recipe.version, one.report.summary, one.lever_findings),
        refit_obstacle=refit.obstacle,
    )


def _shrunk(settings: Settings, release: Release, panel: StudioPanel, tolerance: float) -> str:
    """Description of data in the release that are missing today; empty if its snapshot can't be read."""
    try:
        return shrinkage(panel, read_panel(snapshot_folder(settings.home, release.data_version)), tolerance)
    except CorruptReleaseError:
        return ""


@dataclass(frozen=True)
class Trained:
    """A trained model with everything its bundle stores.

    Attributes:
        model: the model.
        recipe: its training configuration.
        report: its backtest.
        native_models: the learners in their libraries' own formats, by file name.
        target: target whose backtest rows are kept, for paired comparison with later models.
    """

    model: StudioModel
    recipe: Recipe
    report: EvaluationReport
    native_models: Mapping[str, bytes]
    target: str

    @property
    def metrics(self) -> dict[str, float]:
        """Summary metrics of its backtest."""
        return numbers(self.report.summary)

    def write(self, folder: Path) -> None:
        """Write model, recipe and backtest rows into a bundle's folder."""
        self.model.save(folder)
        write_records(folder, self.recipe, kept_rows(self.report.predictions, self.target))


def write_version(trained: Trained, release: Release, settings: Settings, mlflow: MlflowTracking) -> str:
    """Register a model fitted on a release's data, write its bundle, and return its version."""
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
