"""Whether the evaluation's tables are whole, and what the promotion rule says of the model."""

from __future__ import annotations

import dagster as dg
import pandas as pd

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.lever_words import worse_than_none_in_words
from studio_pipeline.evaluation.promotion import decide_promotion
from studio_pipeline.evaluation.schemas import EFFECTS, METRICS, PREDICTIONS, SWEEP
from studio_pipeline.evaluation.true_effects import UNKNOWN_TRUTH


@dg.asset_check(
    asset="evaluation_report",
    description="The promotion rule, by which `registered_model` decides, finds nothing against the model.",
)
def fit_to_publish(
    evaluation_report: EvaluationReport, configuration: dg.ResourceParam[Configuration]
) -> dg.AssetCheckResult:
    """Show the findings; the decision itself is made where the release is."""
    decision = decide_promotion(evaluation_report.summary, None, configuration.promotion)
    return dg.AssetCheckResult(
        passed=not decision.findings,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(f"- {finding}" for finding in decision.findings) or decision.reason,
        metadata={"findings": len(decision.findings)},
    )


@dg.asset_check(
    asset="lever_effects_against_truth",
    description="No intervention's predicted effect is worse than predicting none, where the truth is known.",
)
def effects_beat_none(lever_effects_against_truth: pd.DataFrame) -> dg.AssetCheckResult:
    """Name the interventions about which nobody should ask this model."""
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
