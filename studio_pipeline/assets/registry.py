"""The last stage: a release that the service answers from, and the forecasts that it gives."""

# ruff: noqa: PLR0913, PLR0917 - an argument of an asset is an edge of the graph
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.asset_checks import blocking_check_keys
from studio_pipeline.assets.champion import champion_of, source_of
from studio_pipeline.assets.model_fits import native_files
from studio_pipeline.assets.results import OWNERS, numbers, rows_metadata, table_result
from studio_pipeline.assets.verification import refuse_unverified
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.promotion import Decision, decide_promotion
from studio_pipeline.forecasting.assembly import assemble_model
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.forecaster import Forecaster
from studio_pipeline.forecasting.learners import LearnerFit
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.weights import EnsembleWeights
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.forecast_tables import (
    DESCRIPTIONS,
    chain_forecast,
    forecast_table,
    write_forecast_files,
)
from studio_pipeline.publishing.layout import model_folder, snapshot_folder
from studio_pipeline.publishing.releases import Release, current_release, publish_release
from studio_pipeline.publishing.snapshots import read_panel, write_panel
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking
from studio_pipeline.settings import Settings

GROUP = "registry"


@dg.asset(
    group_name=GROUP,
    description="The published release: a model bundle and a panel snapshot, verified, named by one pointer.",
    kinds={"mlflow", "onnx"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="1",
)
def registered_model(
    context: dg.AssetExecutionContext,
    validated_studio_months: pd.DataFrame,
    stock_and_flow_fit: CoreFit,
    xgboost_fit: LearnerFit,
    lightgbm_fit: LearnerFit,
    random_forest_fit: LearnerFit,
    ensemble_weights: EnsembleWeights,
    evaluation_report: EvaluationReport,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
    mlflow: MlflowTracking,
) -> Any:
    """Publish the new months, with the new model if the rule lets it pass, else with the old one."""
    refuse_unverified(context.instance, blocking_check_keys(before="registered_model"))
    panel, source = panel_from_frame(validated_studio_months), source_of(context.instance)
    champion = champion_of(settings, source)
    decision = decide_promotion(
        evaluation_report.summary, champion.metrics if champion else None, configuration.promotion
    )
    release = Release(
        model_version=champion.model_version if champion else "",
        data_version=write_panel(settings.home, panel, {"run_id": context.run.run_id}),
        source=source,
        last_month=validated_studio_months["month_year"].max().date(),
        run_id=context.run.run_id,
        published_at=datetime.now(UTC),
        metrics=champion.metrics if champion else {},
    )
    if decision.promoted:
        fits = [xgboost_fit, lightgbm_fit, random_forest_fit]
        mlflow.log(Entry(files=native_files(fits)))
        model = assemble_model(panel, stock_and_flow_fit, fits, ensemble_weights, configuration.forecasting)
        release = with_new_model(release, model, numbers(evaluation_report.summary), settings, mlflow)
    published = publish(settings, release, champion)
    mlflow.log(Entry(tags={"data_version": release.data_version, "decision": decision.reason}))
    if decision.promoted:
        mlflow.set_champion(release.model_version)
    return _result(published, decision, is_new=published.run_id == context.run.run_id)


def with_new_model(
    release: Release,
    model: StudioModel,
    metrics: dict[str, float],
    settings: Settings,
    mlflow: MlflowTracking,
) -> Release:
    """Register the model, and write its bundle under the number that the registry gave."""
    number = mlflow.register({"dagster_run_id": release.run_id, "data_version": release.data_version})
    taken = model_folder(settings.home, number).exists()
    version = f"{number}-{release.run_id[:8]}" if taken else number
    details = {
        "run_id": release.run_id,
        "data_version": release.data_version,
        "source": release.source,
        "mlflow_version": number,
        "metrics": metrics,
    }
    write_bundle(settings.home, version, model.save, details)
    return replace(release, model_version=version, metrics=metrics)


def publish(settings: Settings, release: Release, champion: Release | None) -> Release:
    """Replace the pointer, unless neither the model nor the data are new."""
    if champion is not None and _pair(champion) == _pair(release):
        return champion
    return publish_release(settings.home, release)


def _pair(release: Release) -> tuple[str, str]:
    return release.model_version, release.data_version


def _result(release: Release, decision: Decision, *, is_new: bool) -> Any:
    return dg.MaterializeResult(
        data_version=dg.DataVersion("/".join(_pair(release))),
        metadata={
            "release": release.version,
            "model_version": release.model_version,
            "model_data_version": release.data_version,
            "source": release.source,
            "model_promoted": decision.promoted,
            "published": is_new,
            "decision": decision.reason,
            "findings": "; ".join(decision.findings),
            **numbers(release.metrics),
        },
    )


@dg.asset(
    deps=["registered_model"],
    group_name=GROUP,
    description="What the published release forecasts: 12 months for every studio, and for the whole chain.",
    kinds={"onnx", "parquet", "csv"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="1",
)
def studio_forecasts(settings: dg.ResourceParam[Settings]) -> Any:
    """Ask the published release, as the service would."""
    release = current_release(settings.home)
    model = StudioModel.load(model_folder(settings.home, release.model_version))
    panel = read_panel(snapshot_folder(settings.home, release.data_version))
    table = forecast_table(Forecaster(model, panel))
    chain = chain_forecast(table.rows, panel, model.intervals)
    folder = write_forecast_files(settings.home, table.rows, chain)
    metadata = {
        "release": release.version,
        **numbers({"studios": table.rows["studio_id"].nunique(), "studios_without": len(table.refused)}),
        **numbers({"chain_revenue_12_months": chain["revenue"].sum()}),
        "refused": rows_metadata(table.refused),
        "chain": rows_metadata(chain),
        "files": dg.MetadataValue.path(str(folder)),
    }
    return table_result(table.rows, DESCRIPTIONS, metadata)
