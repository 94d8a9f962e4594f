"""Assets of the stage `registry`: the published release with its registered model, and its forecasts.

A run that materialises `registered_model` alone is not stopped by blocking checks of earlier runs, so their
latest results are verified here before anything is published. The decision which model is published is made
in `decisions`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.asset_checks import blocking_check_keys
from studio_pipeline.assets.decisions import Evidence, champion_of, decision_metadata, decision_on, source_of
from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import ReleaseError
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.paired_errors import kept_rows
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit, Refitted
from studio_pipeline.evaluation.promotion.release_decision import ReleaseDecision
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.forecasting.model.assembly import assemble_model
from studio_pipeline.forecasting.model.studio_model import Recipe, StudioModel
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.forecast_tables import (
    DESCRIPTIONS,
    chain_forecast,
    forecast_table,
    write_forecast_files,
)
from studio_pipeline.publishing.layout import model_folder, snapshot_folder
from studio_pipeline.publishing.model_records import write_records
from studio_pipeline.publishing.releases import Release, current_release, publish_release
from studio_pipeline.publishing.snapshots import read_panel, write_panel
from studio_pipeline.resources.asset_results import in_stage, numbers, rows_metadata, table_result
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking
from studio_pipeline.settings import Settings


def refuse_unverified(instance: dg.DagsterInstance, check_keys: Sequence[dg.AssetCheckKey]) -> None:
    """Verify that each check passed on the latest materialisation of its asset.

    Raises:
        ReleaseError: names every check that failed, or did not run on the latest materialisation.
    """
    faults = [fault for key in check_keys if (fault := _fault(instance, key))]
    if faults:
        raise ReleaseError(
            f"Nothing was published: {'; '.join(faults)}.",
            "Correct the data and run everything again; what was published before stays.",
        )


def _fault(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> str | None:
    name = f"the check {key.name} of {key.asset_key.to_user_string()}"
    stored = instance.get_latest_materialization_event(key.asset_key)
    if stored is None:
        return f"{key.asset_key.to_user_string()} was never materialised"
    record = instance.get_latest_asset_check_evaluation_record(key)
    event = record.event.dagster_event if record and record.event else None
    if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return f"{name} never ran"
    evaluation = event.asset_check_evaluation_data
    target = evaluation.target_materialization_data
    if target is None or target.run_id != stored.run_id:
        return f"{name} did not run on what is stored now"
    return None if evaluation.passed else f"{name} failed"


# ruff: noqa: PLR0913, PLR0917 - an argument of an asset is an edge of the graph


GROUP = "registry"


@dg.asset(
    description="The published release: a model bundle and a panel snapshot, verified, named by one pointer.",
    **in_stage(GROUP, "mlflow", "onnx", version="2"),
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
    lever_sweep: pd.DataFrame,
    champion_refit: ChampionRefit,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
    mlflow: MlflowTracking,
) -> Any:
    """Publish the new months with the model that the promotion rules select; nothing if nothing is new."""
    refuse_unverified(context.instance, blocking_check_keys(before="registered_model"))
    panel, source = panel_from_frame(validated_studio_months), source_of(context.instance)
    evidence = Evidence(panel, stock_and_flow_fit, evaluation_report, lever_sweep, champion_refit)
    decision = decision_on(evidence, context.instance, settings, configuration)
    fits = [xgboost_fit, lightgbm_fit, random_forest_fit]
    new = Refitted(
        Recipe(configuration.forecasting),
        assemble_model(panel, stock_and_flow_fit, fits, ensemble_weights, configuration.forecasting),
        evaluation_report,
        native_models={name: content for fit in fits for name, content in fit.native_models.items()},
    )
    champion = champion_of(settings, source)
    release = Release(
        model_version="",
        data_version=write_panel(settings.home, panel, {"run_id": context.run.run_id}),
        source=source,
        last_month=validated_studio_months["month_year"].max().date(),
        run_id=context.run.run_id,
        published_at=datetime.now(UTC),
        decision_kind=decision.kind,
    )
    write = partial(_write_version, release, configuration.promotion.target, settings, mlflow)
    release = _with_models(release, decision, new, champion, champion_refit.refitted, write)
    if champion is None or _parts(champion) != _parts(release):
        published = publish_release(settings.home, release)
    else:
        published = champion
    mlflow.log(Entry(tags={"data_version": release.data_version, "decision": decision.reason}))
    mlflow.set_aliases(published.model_version, published.challenger_model_version)
    is_new = published.run_id == context.run.run_id
    return dg.MaterializeResult(
        data_version=dg.DataVersion("/".join(filter(None, _parts(published)))),
        metadata=release_metadata(published) | decision_metadata(decision) | {"published": is_new},
    )


def _write_version(
    release: Release, target: str, settings: Settings, mlflow: MlflowTracking, fitted: Refitted
) -> str:
    """Register a model fitted on a release's data, write its bundle, and return its version.

    The bundle keeps the backtest's rows of `target`, for paired comparison with later models.
    """
    artifacts = f"models/{fitted.recipe.version}"
    mlflow.log(
        Entry(files={f"{artifacts}/{name}": content for name, content in fitted.native_models.items()})
    )
    versions = {"data_version": release.data_version, "recipe_version": fitted.recipe.version}
    number = mlflow.register({"dagster_run_id": release.run_id, **versions}, artifacts)
    taken = model_folder(settings.home, number).exists()
    version = f"{number}-{release.run_id[:8]}" if taken else number
    details = {
        "run_id": release.run_id,
        **versions,
        "last_month": release.last_month.isoformat(),
        "source": release.source,
        "mlflow_version": number,
        "metrics": numbers(fitted.report.summary),
    }

    def write(folder: Path) -> None:
        fitted.model.save(folder)
        write_records(folder, fitted.recipe, kept_rows(fitted.report.predictions, target))

    write_bundle(settings.home, version, write, details)
    return version


def _with_models(
    release: Release,
    decision: ReleaseDecision,
    new: Refitted,
    champion: Release | None,
    refitted: Refitted | None,
    write: Callable[[Refitted], str],
) -> Release:
    """Write the model versions that the decision requires, and enter them in the release."""
    if decision.answers == "new" or champion is None:
        return replace(release, model_version=write(new), metrics=numbers(new.report.summary))
    named = replace(release, model_version=champion.model_version, metrics=champion.metrics)
    if decision.kind == "nothing_new":
        return replace(named, challenger_model_version=champion.challenger_model_version)
    if decision.answers == "refit" and refitted is not None:
        named = replace(named, model_version=write(refitted), metrics=numbers(refitted.report.summary))
    if decision.keeps_challenger:
        return replace(named, challenger_model_version=write(new))
    return named


def _parts(release: Release) -> tuple[str, str, str | None]:
    return release.model_version, release.data_version, release.challenger_model_version


def release_metadata(release: Release) -> dict[str, Any]:
    """Metadata of a release, for the web UI and for downstream readers of the materialisation."""
    return {
        "release": release.version,
        "model_version": release.model_version,
        "model_data_version": release.data_version,
        "challenger_model_version": release.challenger_model_version or "",
        "source": release.source,
        **numbers(release.metrics),
    }


@dg.asset(
    deps=["registered_model"],
    description="What the published release forecasts: 12 months for every studio, and for the whole chain.",
    **in_stage(GROUP, "onnx", "parquet", "csv"),
)
def studio_forecasts(settings: dg.ResourceParam[Settings]) -> Any:
    """Forecast with the published release, loaded as the service loads it."""
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
