"""Inputs of the release decision on a new model, and the plan to refit the champion's recipe.

Collects what `evaluation.promotion.release_decision` needs, from the evaluation and the published release,
and describes the decision as metadata. Facts on stored model versions are read in `model_versions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.assets.model_versions import (
    champion_facts,
    champion_of,
    fault_of,
    known_recipe,
    source_of,
)
from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.evaluation.levers.lever_text import sign_findings
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.paired_errors import compare_errors
from studio_pipeline.evaluation.promotion.guard_rails import PromotionConfig
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit, Refitted
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
from studio_pipeline.publishing.model_records import backtest_of
from studio_pipeline.publishing.releases import Release
from studio_pipeline.resources.asset_results import numbers
from studio_pipeline.settings import Settings


@dataclass(frozen=True)
class Evidence:
    """Evidence that the release decision is based on.

    Attributes:
        panel: today's months.
        core: fitted on them.
        report: the new model's backtest.
        sweep: its lever sweep.
        refit: the champion's recipe on the same months, if the recipes differ.
    """

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
    if evidence.refit.refitted is not None:
        other: pd.DataFrame | None = evidence.refit.refitted.report.predictions
    elif champion.fault:
        other = None
    else:
        other = _kept(settings, champion.model_version)
    if other is None:
        return {}
    return compare_errors(evidence.report.predictions, other, rules.target, rules.spans, rules.interval_level)


def _kept(settings: Settings, model_version: str) -> pd.DataFrame | None:
    """Backtest rows stored in a bundle; None if it has none, or they can't be read."""
    try:
        return backtest_of(settings.home, model_version)
    except CorruptReleaseError:
        return None


def decision_metadata(decision: ReleaseDecision) -> dict[str, Any]:
    """Metadata: the decision and the differences it is based on."""
    figures: dict[str, float] = {}
    for span, difference in decision.differences.items():
        figures |= {
            f"difference_{span}": difference.difference,
            f"difference_{span}_lower": difference.lower,
            f"difference_{span}_upper": difference.upper,
            f"difference_{span}_detectable": difference.detectable,
            f"difference_{span}_origins": difference.n_origins,
        }
    return {
        "decision_kind": decision.kind,
        "model_promoted": decision.promoted,
        "answers": decision.answers,
        "decision": decision.reason,
        "findings": "; ".join(decision.findings),
        **numbers(figures),
    }


@dataclass(frozen=True)
class RefitPlan:
    """Recipe to refit, if any.

    Attributes:
        message: one sentence with the reason.
        recipe: None if nothing is to be fitted.
        obstacle: reason why it can't be fitted, a clause; empty if it can.
    """

    message: str
    recipe: Recipe | None = None
    obstacle: str = ""


def refit_plan(settings: Settings, champion: Release | None, configured: Recipe) -> RefitPlan:
    """Plan a refit of the champion's recipe if it can be fitted and differs from the configured one."""
    if champion is None:
        return RefitPlan("Nothing is published from such months yet, so there is no recipe to beat.")
    name = f"model {champion.model_version}"
    if fault := fault_of(settings, champion.model_version):
        return RefitPlan(f"The recipe of {name} is not fitted again: {fault}.", obstacle=fault)
    known = known_recipe(settings, champion.model_version)
    if known.version == configured.version:
        return RefitPlan(f"The recipe is that of {name}, so there is none to beat.")
    if known.recipe is None or known.obstacle:
        message = f"The recipe of {name} can't be fitted again: {known.obstacle}."
        return RefitPlan(message, obstacle=known.obstacle)
    message = f"The recipe {known.version} of {name} is fitted again, as {configured.version} has to beat it."
    return RefitPlan(message, known.recipe)


def refit_metadata(message: str, refitted: Refitted | None) -> dict[str, Any]:
    """Metadata: the message, and the refit's metrics if there is one."""
    summary = {} if refitted is None else refitted.report.summary
    return {"in_words": message, "refitted": refitted is not None, **numbers(summary)}
