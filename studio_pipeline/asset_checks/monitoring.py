"""Whether what is published keeps its promises."""

from __future__ import annotations

import dagster as dg

from studio_pipeline.assets.monitoring_drift import no_drift_result
from studio_pipeline.configuration import Configuration
from studio_pipeline.monitoring.accuracy_record import AccuracyRecord
from studio_pipeline.monitoring.accuracy_watch import watch
from studio_pipeline.monitoring.drift_report import DriftReport


@dg.asset_check(
    asset="forecast_accuracy",
    description="Live errors and intervals are as the backtest promised, but for noise.",
)
def errors_as_promised(
    forecast_accuracy: AccuracyRecord, configuration: dg.ResourceParam[Configuration]
) -> dg.AssetCheckResult:
    """Name the alarm, and say what can't be seen yet."""
    record = forecast_accuracy
    verdict = watch(record.errors, record.coverage, record.promises, configuration.accuracy)
    last = verdict.months.iloc[-1] if len(verdict.months) else None
    ratio = {} if last is None else {"error_over_promise": float(last["ratio"])}
    return dg.AssetCheckResult(
        passed=not verdict.alarm,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(f"- {sentence}" for sentence in verdict.words),
        metadata={"alarm": verdict.alarm, "months": len(verdict.months), **ratio},
    )


@dg.asset_check(
    asset="drift_report",
    description="No alarm of drift stands, at the false-alarm rate of `drift.false_alarms_per_year`.",
)
def no_drift(drift_report: DriftReport) -> dg.AssetCheckResult:
    """Name the alarms that stand, and the studios that they point to."""
    return no_drift_result(drift_report)


CHECKS = [errors_as_promised, no_drift]
