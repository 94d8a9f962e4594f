"""Checks of the evaluation: guard rails, refit of the champion, lever effects and schemas.

The guard-rail check only reports: the release decision is made in `assets.decisions`.
"""

from __future__ import annotations

import dagster as dg
import pandas as pd

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.levers.lever_text import worse_than_none_in_words
from studio_pipeline.evaluation.levers.true_effects import UNKNOWN_TRUTH
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.schemas import EFFECTS, METRICS, PREDICTIONS, SWEEP
from studio_pipeline.evaluation.promotion.guard_rails import guard_rails, merits
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit


@dg.asset_check(
    asset="evaluation_report",
    description="The model passes every guard rail by which `registered_model` decides.",
)
def fit_to_publish(
    evaluation_report: EvaluationReport, configuration: dg.ResourceParam[Configuration]
) -> dg.AssetCheckResult:
    """Report the findings of the guard rails; the decision is made in `registered_model`."""
    summary, rules = evaluation_report.summary, configuration.promotion
    findings = guard_rails(summary, rules)
    return dg.AssetCheckResult(
        passed=not findings,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(f"- {finding}" for finding in findings) or f"Fit: {merits(summary, rules)}.",
        metadata={"findings": len(findings)},
    )


@dg.asset_check(
    asset="champion_refit",
    description="The published recipe can be fitted again, where a changed one has to beat it.",
)
def champion_can_be_refitted(champion_refit: ChampionRefit) -> dg.AssetCheckResult:
    """Report the obstacle to a refit, without which the comparison has less data."""
    return dg.AssetCheckResult(
        passed=not champion_refit.obstacle,
        severity=dg.AssetCheckSeverity.WARN,
        description=champion_refit.message,
    )


@dg.asset_check(
    asset="lever_effects_against_truth",
    description="No intervention's predicted effect is worse than predicting none, where the truth is known.",
)
def effects_beat_none(lever_effects_against_truth: pd.DataFrame) -> dg.AssetCheckResult:
    """Report interventions for which the model should not be used."""
    worse = worse_than_none_in_words(lever_effects_against_truth)
    is_known = len(lever_effects_against_truth) > 0
    return dg.AssetCheckResult(
        passed=not worse,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(f"- {sentence}" for sentence in worse) or (None if is_known else UNKNOWN_TRUTH),
        metadata={"worse_than_none": len(worse)},
    )


CHECKS = [
    fit_to_publish,
    champion_can_be_refitted,
    effects_beat_none,
    schema_check("lever_sweep", SWEEP),
    schema_check("lever_effects_against_truth", EFFECTS),
    schema_check(
        "evaluation_report",
        PREDICTIONS,
        name="predictions_schema",
        value_type=EvaluationReport,
        table_of=lambda report: report.predictions,
    ),
    schema_check(
        "evaluation_report",
        METRICS,
        name="metrics_schema",
        blocking=True,
        value_type=EvaluationReport,
        table_of=lambda report: report.metrics,
    ),
]
