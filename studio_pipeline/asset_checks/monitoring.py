"""Whether something has changed that the published model should be told of."""

from __future__ import annotations

import dagster as dg

from studio_pipeline.assets.monitoring_drift import no_drift_result
from studio_pipeline.monitoring.drift_report import DriftReport


@dg.asset_check(
    asset="drift_report",
    description="No alarm of drift stands, at the false-alarm rate of `drift.false_alarms_per_year`.",
)
def no_drift(drift_report: DriftReport) -> dg.AssetCheckResult:
    """Name the alarms that stand, and the studios that they point to."""
    return no_drift_result(drift_report)


CHECKS = [no_drift]
