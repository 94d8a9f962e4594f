"""Inputs of the release decision on a new model, and the plan to refit the champion's recipe.

Collects what `evaluation.promotion.release_decision` needs, from the evaluation and the published release,
and describes the decision as metadata. The release is published in `registry`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.evaluation.levers.lever_text import sign_findings
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.paired_errors import compare_errors
from studio_pipeline.evaluation.promotion.guard_rails import PromotionConfig, shrinkage
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit
from studio_pipeline.evaluation.promotion.release_decision import (
    Champion,
    Differences,
    Fitted,
    ReleaseDecision,
    decide,
)
from studio_pipeline.evaluation.report.response_tables import lever_responses
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.model.studio_model import Recipe
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import model_folder, shown_from, snapshot_folder
from studio_pipeline.publishing.model_records import backtest_of, recipe_of
from studio_pipeline.publishing.releases import Release, Source, newest_release
from studio_pipeline.publishing.snapshots import data_version_of, read_panel
from studio_pipeline.resources.asset_results import numbers
from studio_pipeline.settings import Settings


def source_of(instance: dg.DagsterInstance) -> Source:
    """Source of the latest raw months: landing folder or generator."""
    event = instance.get_latest_materialization_event(dg.AssetKey("raw_studio_months"))
    metadata = event.asset_materialization.metadata if event and event.asset_materialization else {}
    return "landing" if "source" in metadata and metadata["source"].value == "landing" else "generator"


def champion_of(settings: Settings, source: Source) -> Release | None:
    """The published release if its months have this source; synthetic and real ones are not compared."""
    release = newest_release(settings.home)
    return release if release is not None and release.source == source else None


def known_recipe(settings: Settings, model_version: str) -> tuple[Recipe | None, str]:
    """The recipe of a bundle, if it can be read, and why it can't be fitted again, a clause or empty."""
    try:
        recipe = recipe_of(settings.home, model_version)
    except CorruptReleaseError as error:
        return None, f"its recipe can't be read ({shown_from(settings.home, error.what)})"
    if recipe is None:
        return None, "its bundle was written before bundles kept their recipe"
    return recipe, recipe.obstacle


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
    """Facts on the published release that the decision needs; the last as in `guard_rails.shrinkage`."""
    fault = fault_of(settings, release.model_version)
    if fault:
        return Champion(release.model_version, None, fault=fault)
    recipe, _ = known_recipe(settings, release.model_version)
    manifest = verify_folder(model_folder(settings.home, release.model_version))
    today, one, challenger = data_version_of(panel), refit.refitted, release.challenger_model_version
    challenging = known_recipe(settings, challenger)[0] if challenger else None
    shrunk = ""
    with suppress(CorruptReleaseError):
        before = read_panel(snapshot_folder(settings.home, release.data_version))
        shrunk = shrinkage(panel, before, shrink_tolerance)
    return Champion(
        release.model_version,
        recipe.version if recipe else None,
        is_todays=manifest.details.get("data_version") == today,
        release_is_todays=release.data_version == today,
        is_rolled_back=release.decision_kind == "rollback",
        challenger_recipe=challenging.version if challenging else None,
        shrunk=shrunk,
        refit=None if one is None else Fitted(one.recipe.version, one.report.summary, one.lever_findings),
        refit_obstacle=refit.obstacle,
    )


@dataclass(frozen=True)
class Evidence:
    """Evidence of today: months, core, the new model's backtest and lever sweep, the champion's refit."""

    panel: StudioPanel
    core: CoreFit
    report: EvaluationReport
    sweep: pd.DataFrame
    refit: ChampionRefit


def decision_on(
    evidence: Evidence, instance: dg.DagsterInstance, settings: Settings, configuration: Configuration
) -> ReleaseDecision:
    """Collect the facts on the published release, and decide between it and the new model."""
    rules = configuration.promotion
    responses = lever_responses(evidence.core.parameters.responses, evidence.panel)
    findings = sign_findings(responses, evidence.sweep, rules.sign_tolerance)
    new = Fitted(Recipe(configuration.forecasting).version, evidence.report.summary, findings)
    release = champion_of(settings, source_of(instance))
    if release is None:
        return decide(new, None, rules=rules)
    champion = champion_facts(settings, release, evidence.panel, evidence.refit, rules.shrink_tolerance)
    return decide(new, champion, _differences(evidence, champion, settings, rules), rules)


def _differences(
    evidence: Evidence, champion: Champion, settings: Settings, rules: PromotionConfig
) -> Differences:
    """The new model's errors against the refit's; without one, against those in the champion's bundle."""
    other: pd.DataFrame | None = None
    if evidence.refit.refitted is not None:
        other = evidence.refit.refitted.report.predictions
    elif not champion.fault:
        with suppress(CorruptReleaseError):
            other = backtest_of(settings.home, champion.model_version)
    if other is None:
        return {}
    return compare_errors(evidence.report.predictions, other, rules.target, rules.spans, rules.interval_level)


def decision_metadata(decision: ReleaseDecision) -> dict[str, Any]:
    """Metadata: the decision and the differences it is based on."""
    names = {"": "difference", "_lower": "lower", "_upper": "upper", "_detectable": "detectable"}
    names["_origins"] = "n_origins"
    figures = {
        f"difference_{span}{suffix}": getattr(difference, name)
        for span, difference in decision.differences.items()
        for suffix, name in names.items()
    }
    return {
        "decision_kind": decision.kind,
        "model_promoted": decision.promoted,
        "answers": decision.answers,
        "decision": decision.reason,
        "findings": "; ".join(decision.findings),
        **numbers(figures),
    }


def refit_plan(
    settings: Settings, champion: Release | None, configured: Recipe
) -> tuple[ChampionRefit, Recipe | None]:
    """The champion's recipe if it can be fitted and differs from the configured one, and the reason."""
    if champion is None:
        message = "Nothing is published from such months yet, so there is no recipe to beat."
        return ChampionRefit(message), None
    name = f"model {champion.model_version}"
    if fault := fault_of(settings, champion.model_version):
        return ChampionRefit(f"The recipe of {name} is not fitted again: {fault}.", obstacle=fault), None
    recipe, obstacle = known_recipe(settings, champion.model_version)
    if recipe is not None and recipe.version == configured.version:
        return ChampionRefit(f"The recipe is that of {name}, so there is none to beat."), None
    if recipe is None or obstacle:
        message = f"The recipe of {name} can't be fitted again: {obstacle}."
        return ChampionRefit(message, obstacle=obstacle), None
    beaten = f"as {configured.version} has to beat it"
    return ChampionRefit(f"The recipe {recipe.version} of {name} is fitted again, {beaten}."), recipe
