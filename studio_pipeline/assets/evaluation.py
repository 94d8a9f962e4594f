"""How good the ensemble is on origins that chose neither its weights nor its intervals."""

# ruff: noqa: PLR0913, PLR0917 - an argument of an asset is an edge of the graph
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.assets.champion import champion_of, source_of
from studio_pipeline.assets.results import (
    OWNERS,
    numbers,
    object_result,
    picture,
    rows_metadata,
    table_metadata,
)
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.backtest import backtest
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.figures import actual_against_predicted, coverage_by_horizon, error_by_horizon
from studio_pipeline.evaluation.html_report import write_html_report
from studio_pipeline.evaluation.promotion import decide_promotion
from studio_pipeline.evaluation.schemas import METRICS
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.feature_store import FEATURES
from studio_pipeline.forecasting.learners import LearnerFit
from studio_pipeline.forecasting.weights import EnsembleWeights
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.publishing.snapshots import data_version_of
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking, flat_parameters
from studio_pipeline.settings import Settings

GROUP = "evaluation"
DESCRIPTIONS = {name: column.description or "" for name, column in METRICS.columns.items()}


@dg.asset(
    group_name=GROUP,
    description="Backtest over rolling origins: metrics beside those of simple baselines, and a report.",
    kinds={"pandas", "html"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="1",
)
def evaluation_report(
    context: dg.AssetExecutionContext,
    validated_studio_months: pd.DataFrame,
    rejected_rows: pd.DataFrame,
    studio_features: pd.DataFrame,
    stock_and_flow_fit: CoreFit,
    xgboost_fit: LearnerFit,
    lightgbm_fit: LearnerFit,
    random_forest_fit: LearnerFit,
    ensemble_weights: EnsembleWeights,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
    mlflow: MlflowTracking,
) -> Any:
    """Backtest the ensemble, judge it, and write the report."""
    fits = [xgboost_fit, lightgbm_fit, random_forest_fit]
    panel = panel_from_frame(validated_studio_months)
    predictions = backtest(panel, stock_and_flow_fit, fits, ensemble_weights, configuration.forecasting)
    report = EvaluationReport.from_predictions(predictions)
    figures = figures_of(report)
    path = settings.home / "report.html"
    champion = champion_of(settings, source_of(context.instance))
    decision = decide_promotion(
        report.summary, champion.metrics if champion else None, configuration.promotion
    )
    write_html_report(
        path,
        panel_frame=validated_studio_months,
        features=studio_features,
        feature_descriptions=FEATURES,
        rejected=rejected_rows,
        report=report,
        weights=ensemble_weights.frame,
        importances=pd.concat([fit.importances for fit in fits], ignore_index=True),
        details={
            "Dagster run": context.run.run_id,
            "data version": data_version_of(panel),
            "decision": decision.reason,
        },
    )
    mlflow.log(_entry(report, figures, configuration))
    return object_result(report, _metadata(report, figures) | {"report": dg.MetadataValue.path(str(path))})


def figures_of(report: EvaluationReport) -> dict[str, bytes]:
    """The pictures that a person looks at first, as PNG by name."""
    return {
        "error_by_horizon": error_by_horizon(report.metrics),
        "actual_against_predicted": actual_against_predicted(report.predictions),
        "coverage_by_horizon": coverage_by_horizon(report.metrics),
    }


def _entry(report: EvaluationReport, figures: dict[str, bytes], configuration: Configuration) -> Entry:
    forecasting = configuration.forecasting
    return Entry(
        parameters=flat_parameters(forecasting.backtest, "backtest")
        | flat_parameters(forecasting.intervals, "intervals"),
        metrics=numbers(report.summary),
        files={f"figures/{name}.png": png for name, png in figures.items()},
    )


def _metadata(report: EvaluationReport, figures: dict[str, bytes]) -> dict[str, Any]:
    pictures: dict[str, Any] = {}
    for name, png in figures.items():
        pictures |= picture(name, png)
    return {
        **pictures,
        "metrics": rows_metadata(report.metrics, limit=400),
        **table_metadata(report.metrics, DESCRIPTIONS),
        **numbers(report.summary),
    }
