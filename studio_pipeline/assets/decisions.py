"""The decision on a new model, as the evaluation tells it and `registered_model` carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.assets.champion import champion_facts, champion_of, source_of
from studio_pipeline.assets.results import numbers
from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.evaluation.decision import Champion, Decision, Differences, Fitted, decide
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.lever_signs import sign_findings
from studio_pipeline.evaluation.paired_errors import compare_errors
from studio_pipeline.evaluation.promotion import PromotionRules
from studio_pipeline.evaluation.refitting import ChampionRefit
from studio_pipeline.evaluation.response_tables import lever_responses
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.recipe import Recipe
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.model_records import backtest_of
from studio_pipeline.settings import Settings


@dataclass(frozen=True)
class Evidence:
    """What speaks for and against the new model.

    Attributes:
        panel: today's months.
        core: fitted on them.
        report: the new model's backtest.
        sweep: what its levers do.
        refit: the champion's recipe on the same months, where the recipes differ.
    """

    panel: StudioPanel
    core: CoreFit
    report: EvaluationReport
    sweep: pd.DataFrame
    refit: ChampionRefit


def decision_on(
    evidence: Evidence, instance: dg.DagsterInstance, settings: Settings, configuration: Configuration
) -> Decision:
    """Gather what is known of the published release, and decide."""
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
    evidence: Evidence, champion: Champion, settings: Settings, rules: PromotionRules
) -> Differences:
    """The new model's errors beside the refit's; without one, beside what the champion's bundle keeps."""
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
    """None for a bundle of before there were any kept rows, and for rows that this program can't read."""
    try:
        return backtest_of(settings.home, model_version)
    except CorruptReleaseError:
        return None


def decision_metadata(decision: Decision) -> dict[str, Any]:
    """The decision and the figures it rests on."""
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
