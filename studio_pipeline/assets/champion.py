"""What a new model is measured against: the published release, where its months are of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.evaluation.data_change import shrinkage
from studio_pipeline.evaluation.decision import Champion, Fitted
from studio_pipeline.evaluation.refitting import ChampionRefit
from studio_pipeline.forecasting.recipe import Recipe
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import model_folder, shown_from, snapshot_folder
from studio_pipeline.publishing.model_records import recipe_of
from studio_pipeline.publishing.releases import Release, Source, newest_release
from studio_pipeline.publishing.snapshots import data_version_of, read_panel
from studio_pipeline.settings import Settings

NO_RECIPE = "its bundle was written before bundles kept their recipe"


@dataclass(frozen=True)
class KnownRecipe:
    """What a bundle says of its recipe.

    Attributes:
        recipe: None where it can't be told.
        obstacle: why it can't be fitted again, a clause; empty where it can.
    """

    recipe: Recipe | None
    obstacle: str = ""

    @property
    def version(self) -> str | None:
        """Of the recipe, if it is known."""
        return None if self.recipe is None else self.recipe.version


def source_of(instance: dg.DagsterInstance) -> Source:
    """Where the latest raw months came from."""
    event = instance.get_latest_materialization_event(dg.AssetKey("raw_studio_months"))
    stored = (
        event.asset_materialization.metadata["source"].value
        if event and event.asset_materialization
        else None
    )
    return "landing" if stored == "landing" else "generator"


def champion_of(settings: Settings, source: Source) -> Release | None:
    """The published release, if it is from the same kind of months: synthetic ones judge no real ones."""
    release = newest_release(settings.home)
    return release if release is not None and release.source == source else None


def known_recipe(settings: Settings, model_version: str) -> KnownRecipe:
    """The recipe of a bundle, as far as this program can tell."""
    try:
        recipe = recipe_of(settings.home, model_version)
    except CorruptReleaseError as error:
        return KnownRecipe(None, f"its recipe can't be read ({shown_from(settings.home, error.what)})")
    return KnownRecipe(None, NO_RECIPE) if recipe is None else KnownRecipe(recipe, recipe.obstacle)


def fault_of(settings: Settings, model_version: str) -> str:
    """Why a bundle can't be used, a clause; empty where it is whole."""
    try:
        verify_folder(model_folder(settings.home, model_version))
    except CorruptReleaseError as error:
        return shown_from(settings.home, error.what).rstrip(".")
    return ""


def champion_facts(
    settings: Settings, release: Release, panel: StudioPanel, refit: ChampionRefit, shrink_tolerance: float
) -> Champion:
    """What the decision has to know of the published release.

    Args:
        settings: where it is.
        release: the published one.
        panel: today's months.
        refit: its recipe on them, if that was asked for.
        shrink_tolerance: see `data_change.shrinkage`.
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
    """What today's data lack of the release's; nothing where these can't be read any more."""
    try:
        return shrinkage(panel, read_panel(snapshot_folder(settings.home, release.data_version)), tolerance)
    except CorruptReleaseError:
        return ""
