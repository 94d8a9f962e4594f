"""What is watched once a release is out: whether studios still behave as the model has learned."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from studio_pipeline.assets.champion import champion_of, source_of
from studio_pipeline.assets.monitoring_drift import drift_metadata
from studio_pipeline.assets.results import OWNERS, object_result
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.monitoring.drift_errors import backtest_errors
from studio_pipeline.monitoring.drift_report import DriftReport, report_drift
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.publishing.folders import read_manifest
from studio_pipeline.publishing.layout import model_folder, snapshot_folder
from studio_pipeline.publishing.releases import Release
from studio_pipeline.publishing.snapshots import read_panel
from studio_pipeline.settings import Settings

GROUP = "monitoring"


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
    """Judge every month by the months before it."""
    panel = panel_from_frame(validated_studio_months)
    errors = backtest_errors(evaluation_report.predictions, panel)
    champion = champion_of(settings, source_of(context.instance))
    known = fitted_until(settings.home, champion) if champion else None
    report: DriftReport = report_drift(panel, errors, configuration.drift, known)
    return object_result(report, drift_metadata(report))


def fitted_until(home: Path, release: Release) -> np.datetime64 | None:
    """Last month that the release's model was fitted on; None where that panel is no longer kept."""
    details = read_manifest(model_folder(home, release.model_version)).details
    folder = snapshot_folder(home, str(details.get("data_version", "")))
    last: np.datetime64 | None = read_panel(folder).months[-1] if folder.is_dir() else None
    return last
