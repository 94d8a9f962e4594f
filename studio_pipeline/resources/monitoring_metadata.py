"""Metadata of the monitoring assets and their checks: numbers over time, tables and figures.

Tables and figures are computed in the package `monitoring`; the assets are in `assets.monitoring`, the checks
in `asset_checks.releases`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.monitoring.accuracy import champion_challenger as accuracy_roles
from studio_pipeline.monitoring.accuracy import error_decomposition as accuracy_misses
from studio_pipeline.monitoring.accuracy.record import DESCRIPTIONS, Update
from studio_pipeline.monitoring.accuracy.tables import (
    WHO,
    coverage_table,
    error_table,
    live_error,
    miss_parts,
    watch_course,
)
from studio_pipeline.monitoring.accuracy.watch import Watch
from studio_pipeline.monitoring.drift.alarms import STUDIO_COLUMNS
from studio_pipeline.monitoring.drift.report import (
    ALARM_COLUMNS,
    STATISTIC_COLUMNS,
    DriftReport,
    alarm_sentences,
    charts_over_time,
)
from studio_pipeline.resources.asset_results import numbers, picture, rows_metadata, sentences

_WATCH_COLUMNS = {
    "month_year": "A month that has arrived.",
    "horizon": "How many months ahead the forecasts that count were made.",
    "n": "Studios that were forecast.",
    "ratio": "Live over promised WAPE.",
    "coverage": "Share of 90 % intervals that held.",
    "error_sum": "What has added up of the error above the promise, over what makes an alarm.",
    "coverage_sum": "The same of intervals that hold too rarely.",
}


def accuracy_metadata(update: Update, verdict: Watch, lost: Sequence[str]) -> dict[str, Any]:
    """Metadata of a materialised `forecast_accuracy`.

    Args:
        update: result of this run's update.
        verdict: result of the watch.
        lost: sentences on earlier records that can't be used.
    """
    record = update.record
    champion = _champion(record.errors)
    by_horizon = error_table(champion, ["source", "horizon"])
    newest_first = error_table(record.errors, [*WHO, "base_month", "made_month", "horizon"]).iloc[::-1]
    misses = record.misses.sort_values(["month_year", "scenario_id"], ascending=[False, True])
    return {
        "dagster/row_count": len(record.forecasts),
        "in_words": sentences([*verdict.words, *lost, *update.warnings]),
        "alarm": verdict.alarm,
        **numbers({"logged_answers_read": update.n_answers, "forecasts_left_out_as_late": update.n_late}),
        **_numbers(record.errors, record.coverage, verdict),
        "errors": rows_metadata(error_table(record.errors), DESCRIPTIONS),
        "errors_by_vintage": rows_metadata(newest_first, DESCRIPTIONS),
        "coverage": rows_metadata(coverage_table(record.coverage), DESCRIPTIONS),
        "champion_against_challenger": rows_metadata(record.roles, accuracy_roles.DESCRIPTIONS),
        "scenario_misses": rows_metadata(misses, accuracy_misses.DESCRIPTIONS),
        "watched_months": rows_metadata(verdict.months.iloc[::-1], _WATCH_COLUMNS),
        **picture("live_error", live_error(by_horizon)),
        **picture("watch", watch_course(verdict.months)),
        **picture("scenario_misses_figure", miss_parts(misses)),
    }


def _champion(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[(cells["kind"] == "free") & (cells["role"] == "champion")]


def _numbers(errors: pd.DataFrame, coverage: pd.DataFrame, verdict: Watch) -> dict[str, float]:
    """Numbers of the newest month that has arrived, which Dagster plots over time."""
    found: dict[str, float] = {"forecasts_judged": float(errors["n"].sum())}
    for table, name, figure in (
        (errors, "live_wape", error_table),
        (coverage, "live_coverage", coverage_table),
    ):
        own = _champion(table)
        own = own[own["month_year"] == own["month_year"].max()]
        column = "wape" if name == "live_wape" else "coverage"
        by = ["source"] if name == "live_wape" else ["source", "level"]
        for line in figure(own, by).to_dict(orient="records"):
            level = f"_{100 * line['level']:g}" if "level" in line else ""
            found[f"{name}{level}_{line['source']}"] = float(line[column])
    if len(verdict.months):
        last = verdict.months.iloc[-1]
        found |= {"error_over_promise": last["ratio"], "error_sum": last["error_sum"]}
        found |= {"coverage_sum": last["coverage_sum"]}
    return numbers(found)


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
    """Result of the check `no_drift`: a warning while an alarm stands."""
    latest = latest_month(report.statistics)
    lines = [*alarm_sentences(report.alarms), *report.not_seen]
    standing = report.alarms[report.alarms["standing"].astype(bool)]
    return dg.AssetCheckResult(
        passed=not report.alarm,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(f"- {sentence}" for sentence in lines) or "No drift.",
        metadata={
            "alarm": report.alarm,
            "standing_alarms": len(standing),
            "statistics": rows_metadata(latest, STATISTIC_COLUMNS),
            "alarms": rows_metadata(standing, ALARM_COLUMNS),
            "studios": rows_metadata(report.studios, STUDIO_COLUMNS),
        },
    )


def latest_month(statistics: pd.DataFrame) -> pd.DataFrame:
    """Rows of all charts in the newest month with a statistic, the highest ratio first."""
    newest = statistics[statistics["month_year"] == statistics["month_year"].max()]
    ordered: pd.DataFrame = newest.sort_values("ratio", ascending=False, kind="stable")
    return ordered
