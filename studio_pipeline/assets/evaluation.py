"""Assets of the stage `evaluation`: lever effects, refit of the champion's recipe, backtest and report.

Their metadata is built in `evaluation_metadata`, the release decision in `decisions`; metrics, figures and
the HTML report are in the package `evaluation`.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.assets.decisions import Evidence, decision_on, refit_metadata, refit_plan
from studio_pipeline.assets.evaluation_metadata import (
    effects_metadata,
    figures_of,
    report_entry,
    report_metadata,
    sweep_metadata,
)
from studio_pipeline.assets.model_versions import champion_of, source_of
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.levers.lever_sweep import SWEEP_COLUMNS, sweep_levers
from studio_pipeline.evaluation.levers.true_effects import EFFECT_COLUMNS, effects_summary, true_effects
from studio_pipeline.evaluation.metrics.backtest import backtest
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.summary import learner_weight
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit, refit
from studio_pipeline.evaluation.report.html_report import write_html_report
from studio_pipeline.evaluation.report.response_tables import lever_responses, seasonal_factors
from studio_pipeline.evaluation.report.tables import ModelFrames
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights
from studio_pipeline.forecasting.features.feature_store import FEATURES
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.forecasting.model.assembly import assemble_model
from studio_pipeline.forecasting.model.studio_model import Recipe
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.publishing.snapshots import data_version_of
from studio_pipeline.resources.asset_results import OWNERS, object_result, table_result
from studio_pipeline.resources.mlflow_tracking import MlflowTracking
from studio_pipeline.settings import Settings

# ruff: noqa: PLR0913, PLR0917 - an argument of an asset is an edge of the graph


GROUP = "evaluation"


def _out(description: str) -> dg.AssetOut:
    return dg.AssetOut(
        description=description,
        kinds={"pandas"},
        owners=OWNERS,
        tags={"stage": GROUP},
        code_version="1",
        group_name=GROUP,
    )


@dg.multi_asset(
    outs={
        "lever_sweep": _out("A year's revenue of a typical studio against each lever alone."),
        "lever_effects_against_truth": _out(
            "Predicted effects of levers beside the generator's truth; no rows for other months."
        ),
    },
    name="ask_about_levers",
)
def lever_answers(
    validated_studio_months: pd.DataFrame,
    stock_and_flow_fit: CoreFit,
    xgboost_fit: LearnerFit,
    lightgbm_fit: LearnerFit,
    random_forest_fit: LearnerFit,
    ensemble_weights: EnsembleWeights,
    configuration: dg.ResourceParam[Configuration],
) -> Iterator[Any]:
    """Assemble the model from the fits, and compute its lever effects."""
    panel, fits = panel_from_frame(validated_studio_months), [xgboost_fit, lightgbm_fit, random_forest_fit]
    model = assemble_model(panel, stock_and_flow_fit, fits, ensemble_weights, configuration.forecasting)
    forecaster = Forecaster(model, panel)
    sweep = sweep_levers(forecaster)
    yield table_result(sweep, SWEEP_COLUMNS, sweep_metadata(sweep), asset_key="lever_sweep")
    effects = true_effects(forecaster, configuration.generator)
    yield table_result(
        effects, EFFECT_COLUMNS, effects_metadata(effects), asset_key="lever_effects_against_truth"
    )


@dg.asset(
    group_name=GROUP,
    description="The published recipe on the new months, backtested: what a changed recipe has to beat.",
    kinds={"onnx", "pandas"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="1",
)
def champion_refit(
    context: dg.AssetExecutionContext,
    validated_studio_months: pd.DataFrame,
    studio_features: pd.DataFrame,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
) -> Any:
    """Refit the champion's recipe if it differs from the configured one."""
    champion = champion_of(settings, source_of(context.instance))
    plan = refit_plan(settings, champion, Recipe(configuration.forecasting))
    if plan.recipe is not None:
        panel = panel_from_frame(validated_studio_months)
        refitted = refit(plan.recipe, panel, studio_features, configuration.promotion.sign_tolerance)
        return object_result(ChampionRefit(plan.message, refitted), refit_metadata(plan.message, refitted))
    return object_result(ChampionRefit(plan.message, None, plan.obstacle), refit_metadata(plan.message, None))


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
    lever_sweep: pd.DataFrame,
    lever_effects_against_truth: pd.DataFrame,
    champion_refit: ChampionRefit,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
    mlflow: MlflowTracking,
) -> Any:
    """Backtest the ensemble, evaluate it, and write the report."""
    fits = [xgboost_fit, lightgbm_fit, random_forest_fit]
    panel = panel_from_frame(validated_studio_months)
    predictions = backtest(panel, stock_and_flow_fit, fits, ensemble_weights, configuration.forecasting)
    more = effects_summary(lever_effects_against_truth) | learner_weight(ensemble_weights.frame)
    report = EvaluationReport.from_predictions(predictions, more)
    figures = figures_of(report)
    path = settings.home / "report.html"
    evidence = Evidence(panel, stock_and_flow_fit, report, lever_sweep, champion_refit)
    decision = decision_on(evidence, context.instance, settings, configuration)
    write_html_report(
        path,
        panel_frame=validated_studio_months,
        features=studio_features,
        feature_descriptions=FEATURES,
        rejected=rejected_rows,
        report=report,
        model=ModelFrames(
            weights=ensemble_weights.frame,
            importances=pd.concat([fit.importances for fit in fits], ignore_index=True),
            seasons=seasonal_factors(stock_and_flow_fit.parameters, panel),
            responses=lever_responses(stock_and_flow_fit.parameters.responses, panel),
            sweep=lever_sweep,
            effects=lever_effects_against_truth,
        ),
        details={
            "Dagster run": context.run.run_id,
            "data version": data_version_of(panel),
            "decision": decision.reason,
        },
    )
    mlflow.log(report_entry(report, figures, configuration))
    return object_result(
        report, report_metadata(report, figures) | {"report": dg.MetadataValue.path(str(path))}
    )
