"""Whether the evaluation's tables are whole, and what the promotion rule says of the model."""

from __future__ import annotations

import dagster as dg

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.promotion import decide_promotion
from studio_pipeline.evaluation.schemas import EFFECTS, METRICS, PREDICTIONS, SWEEP


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


CHECKS = [
    fit_to_publish,
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
