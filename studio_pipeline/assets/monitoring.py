"""Assets of the stage `monitoring`: live accuracy of a release's forecasts, and drift of the data.

The statistics are in the package `monitoring`, the metadata in `resources.monitoring_metadata`.
"""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from studio_pipeline.assets.model_versions import champion_of, source_of
from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import CorruptReleaseError, StorageError
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.monitoring.accuracy.error_decomposition import splitters
from studio_pipeline.monitoring.accuracy.forecast_rows import ForecastLog
from studio_pipeline.monitoring.accuracy.record import AccuracyRecord, Sources, updated
from studio_pipeline.monitoring.accuracy.watch import watch
from studio_pipeline.monitoring.drift.levels import backtest_errors
from studio_pipeline.monitoring.drift.report import DriftReport, report_drift
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.publishing.folders import read_manifest, verify_folder
from studio_pipeline.publishing.layout import model_folder, snapshot_folder
from studio_pipeline.publishing.releases import Release, current_release, release_history
from studio_pipeline.publishing.snapshots import read_panel
from studio_pipeline.resources.asset_results import OWNERS, object_result
from studio_pipeline.resources.monitoring_metadata import accuracy_metadata, drift_metadata
from studio_pipeline.resources.storage import read_pointer
from studio_pipeline.settings import Settings

GROUP = "monitoring"


@dg.asset(
    deps=["studio_forecasts"],
    group_name=GROUP,
    description="Forecasts beside the months that have arrived since: error by version, role, horizon and"
    " vintage, coverage of intervals, champion against challenger, and why saved scenarios missed.",
    kinds={"parquet"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="1",
)
def forecast_accuracy(
    validated_studio_months: pd.DataFrame,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
) -> Any:
    """Update the record of the last run with new forecasts and newly arrived months."""
    before, lost = last_record(settings.home / "assets" / "forecast_accuracy")
    update = updated(before, validated_studio_months, _sources(settings), configuration.accuracy)
    record = update.record
    verdict = watch(record.errors, record.coverage, record.promises, configuration.accuracy)
    return object_result(record, accuracy_metadata(update, verdict, lost))


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


def _sources(settings: Settings) -> Sources:
    current = current_release(settings.home)
    return Sources(
        log=ForecastLog(settings.database_url),
        forecasts_folder=settings.home / "assets" / "studio_forecasts",
        releases=release_history(settings.home),
        make_splitter=lambda panel: splitters(settings.home, current.model_version, panel),
    )


@dg.asset(
    group_name=GROUP,
    description="Whether inputs, responses to levers or forecast errors have changed: a statistic and its"
    " threshold a month, alarms with a set rate of false ones, and the studios that they point to.",
    kinds={"parquet"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="1",
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
    return object_result(report, drift_metadata(report))


def fitted_until(home: Path, release: Release) -> np.datetime64 | None:
    """Last month that the release's model was fitted on; None if its bundle or panel is lost or pruned."""
    try:
        details = read_manifest(model_folder(home, release.model_version)).details
        panel = read_panel(snapshot_folder(home, str(details["data_version"])))
    except (CorruptReleaseError, KeyError):
        return None
    last: np.datetime64 = panel.months[-1]
    return last
