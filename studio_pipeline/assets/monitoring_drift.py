"""What the web UI shows of the drift report: numbers over time, tables and a picture."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.assets.results import numbers, picture, rows_metadata, sentences
from studio_pipeline.monitoring.drift_figures import charts_over_time
from studio_pipeline.monitoring.drift_report import ALARM_COLUMNS, STATISTIC_COLUMNS, DriftReport
from studio_pipeline.monitoring.drift_sizes import STUDIO_COLUMNS
from studio_pipeline.monitoring.drift_words import alarm_sentences


def drift_metadata(report: DriftReport) -> dict[str, Any]:
    """Metadata of a materialised `drift_report`."""
    latest = latest_month(report.statistics)
    ratios = dict(zip(latest["chart"], latest["ratio"], strict=True))
    return {
        "alarm": report.alarm,
        **numbers({"standing_alarms": float(report.alarms["standing"].sum())}),
        **numbers({"largest_ratio": max(ratios.values(), default=float("nan"))}),
        **numbers({f"ratio: {name}": float(ratio) for name, ratio in ratios.items()}),
        "alarms": rows_metadata(report.alarms.iloc[::-1], ALARM_COLUMNS),
        "studios": rows_metadata(report.studios, STUDIO_COLUMNS),
        "statistics": rows_metadata(latest, STATISTIC_COLUMNS),
        **picture("charts", charts_over_time(report.statistics)),
        "findings": sentences([*alarm_sentences(report.alarms), *report.not_seen] or ["No drift."]),
    }


def no_drift_result(report: DriftReport) -> dg.AssetCheckResult:
    """The verdict of the check `no_drift`: a warning while an alarm stands."""
    latest = latest_month(report.statistics)
    words = [*alarm_sentences(report.alarms), *report.not_seen]
    standing = report.alarms[report.alarms["standing"].astype(bool)]
    return dg.AssetCheckResult(
        passed=not report.alarm,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(f"- {sentence}" for sentence in words) or "No drift.",
        metadata={
            "alarm": report.alarm,
            "standing_alarms": len(standing),
            "statistics": rows_metadata(latest, STATISTIC_COLUMNS),
            "alarms": rows_metadata(standing, ALARM_COLUMNS),
            "studios": rows_metadata(report.studios, STUDIO_COLUMNS),
        },
    )


def latest_month(statistics: pd.DataFrame) -> pd.DataFrame:
    """Every chart in the newest month that any of them judges, the highest ratio first."""
    newest = statistics[statistics["month_year"] == statistics["month_year"].max()]
    ordered: pd.DataFrame = newest.sort_values("ratio", ascending=False, kind="stable")
    return ordered
