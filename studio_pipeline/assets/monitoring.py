"""Assets of the stage `monitoring`: live accuracy of a release's forecasts, and drift of the data.

Statistics, tables and figures are computed in the package `monitoring`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from studio_pipeline.asset_checks.evaluation import latest_month
from studio_pipeline.assets.decisions import champion_of, source_of
from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import CorruptReleaseError, StorageError
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.monitoring.accuracy import champion_challenger as accuracy_roles
from studio_pipeline.monitoring.accuracy import error_decomposition as accuracy_misses
from studio_pipeline.monitoring.accuracy import record as accuracy_sums
from studio_pipeline.monitoring.accuracy.forecast_rows import ForecastLog
from studio_pipeline.monitoring.accuracy.record import AccuracyRecord, Sources, Update, updated
from studio_pipeline.monitoring.accuracy.tables import (
    WHO,
    coverage_table,
    error_table,
    live_error,
    miss_parts,
    watch_course,
)
from studio_pipeline.monitoring.accuracy.watch import Watch, watch
from studio_pipeline.monitoring.drift.alarms import STUDIO_COLUMNS
from studio_pipeline.monitoring.drift.levels import backtest_errors
from studio_pipeline.monitoring.drift.report import (
    ALARM_COLUMNS,
    STATISTIC_COLUMNS,
    DriftReport,
    alarm_sentences,
    charts_over_time,
    report_drift,
)
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.publishing.folders import read_manifest, verify_folder
from studio_pipeline.publishing.layout import model_folder, snapshot_folder
from studio_pipeline.publishing.releases import Release, current_release, release_history
from studio_pipeline.publishing.snapshots import read_panel
from studio_pipeline.resources.asset_results import (
    in_stage,
    numbers,
    object_result,
    picture,
    rows_metadata,
    sentences,
)
from studio_pipeline.resources.storage import read_pointer
from studio_pipeline.settings import Settings

GROUP = "monitoring"
_WATCH_COLUMNS = {
    "month_year": "A month that has arrived.",
    "horizon": "How many months ahead the forecasts that count were made.",
    "n": "Studios that were forecast.",
    "ratio": "Live over promised WAPE.",
    "coverage": "Share of 90 % intervals that held.",
    "error_sum": "What has added up of the error above the promise, over what makes an alarm.",
    "coverage_sum": "The same of intervals that hold too rarely.",
}


@dg.asset(
    deps=["studio_forecasts"],
    description="Forecasts beside the months that have arrived since: error by version, role, horizon and"
    " vintage, coverage of intervals, champion against challenger, and why saved scenarios missed.",
    **in_stage(GROUP, "parquet"),
)
def forecast_accuracy(
    validated_studio_months: pd.DataFrame,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
) -> Any:
    """Update the record of the last run with new forecasts and newly arrived months."""
    before, lost = last_record(settings.home / "assets" / "forecast_accuracy")
    version = current_release(settings.home).model_version
    sources = Sources(
        log=ForecastLog(settings.database_url),
        forecasts_folder=settings.home / "assets" / "studio_forecasts",
        releases=release_history(settings.home),
        make_splitter=lambda panel: accuracy_misses.splitters(settings.home, version, panel),
    )
    update = updated(before, validated_studio_months, sources, configuration.accuracy)
    record = update.record
    verdict = watch(record.errors, record.coverage, record.promises, configuration.accuracy)
    return object_result(record, accuracy_metadata(update, verdict, lost))


def accuracy_metadata(update: Update, verdict: Watch, lost: Sequence[str]) -> dict[str, Any]:
    """Metadata of `forecast_accuracy`; `lost` are sentences on earlier records that can't be used."""
    record, descriptions = update.record, accuracy_sums.DESCRIPTIONS
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
        "errors": rows_metadata(error_table(record.errors), descriptions),
        "errors_by_vintage": rows_metadata(newest_first, descriptions),
        "coverage": rows_metadata(coverage_table(record.coverage), descriptions),
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
    own, bounded = (
        own[own["month_year"] == own["month_year"].max()] for own in map(_champion, (errors, coverage))
    )
    for line in error_table(own, ["source"]).to_dict("records"):
        found[f"live_wape_{line['source']}"] = float(line["wape"])
    for line in coverage_table(bounded, ["source", "level"]).to_dict("records"):
        found[f"live_coverage_{100 * line['level']:g}_{line['source']}"] = float(line["coverage"])
    if len(verdict.months):
        last = verdict.months.iloc[-1]
        found |= {"error_over_promise": last["ratio"], "error_sum": last["error_sum"]}
        found |= {"coverage_sum": last["coverage_sum"]}
    return numbers(found)


def last_record(versions: Path) -> tuple[AccuracyRecord, tuple[str, ...]]:
    """Read the newest intact record, else an empty one; also returns a sentence for each damaged one."""
    try:
        newest = read_pointer(versions)
    except StorageError:
        return AccuracyRecord(), ()
    others = sorted(versions.glob("v-*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    names = [newest, *(path.name for path in others if path.name != newest)]
    lost: list[str] = []
    for name in names:
        try:
            verify_folder(versions / name)
        except CorruptReleaseError as error:
            lost.append(f"An earlier record of forecast_accuracy can't be used: {error.what}")
            continue
        return AccuracyRecord.read(versions / name), tuple(lost)
    return AccuracyRecord(), tuple(lost)


@dg.asset(
    description="Whether inputs, responses to levers or forecast errors have changed: a statistic and its"
    " threshold a month, alarms with a set rate of false ones, and the studios that they point to.",
    **in_stage(GROUP, "parquet"),
)
def drift_report(
    context: dg.AssetExecutionContext,
    validated_studio_months: pd.DataFrame,
    evaluation_report: EvaluationReport,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
) -> Any:
    """Test every month for drift against the months before it."""
    panel = panel_from_frame(validated_studio_months)
    errors = backtest_errors(evaluation_report.predictions, panel)
    champion = champion_of(settings, source_of(context.instance))
    known = fitted_until(settings.home, champion) if champion else None
    report: DriftReport = report_drift(panel, errors, configuration.drift, known)
    latest = latest_month(report.statistics)
    ratios = dict(zip(latest["chart"], latest["ratio"], strict=True))
    metadata = {
        "alarm": report.alarm,
        "standing_alarms": float(report.alarms["standing"].sum()),
        **numbers({"largest_ratio": max(ratios.values(), default=float("nan"))}),
        **numbers({f"ratio: {name}": float(ratio) for name, ratio in ratios.items()}),
        "alarms": rows_metadata(report.alarms.iloc[::-1], ALARM_COLUMNS),
        "studios": rows_metadata(report.studios, STUDIO_COLUMNS),
        "statistics": rows_metadata(latest, STATISTIC_COLUMNS),
        **picture("charts", charts_over_time(report.statistics)),
        "findings": sentences([*alarm_sentences(report.alarms), *report.not_seen] or ["No drift."]),
    }
    return object_result(report, metadata)


def fitted_until(home: Path, release: Release) -> np.datetime64 | None:
    """Last month that the release's model was fitted on; None if its bundle or panel is lost or pruned."""
    try:
        details = read_manifest(model_folder(home, release.model_version)).details
        panel = read_panel(snapshot_folder(home, str(details["data_version"])))
    except (CorruptReleaseError, KeyError):
        return None
    return np.datetime64(panel.months[-1])
