"""Assets of the stage `evaluation`: lever effects, refit of the champion's recipe, backtest and report.

The release decision is in `decisions`; metrics, figures and the HTML report are in the package `evaluation`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pandas as pd
from pandera.pandas import DataFrameSchema

from studio_pipeline.assets.decisions import Evidence, champion_of, decision_on, refit_plan, source_of
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.levers.lever_sweep import sweep_levers
from studio_pipeline.evaluation.levers.lever_text import (
    effects_in_words,
    sweep_in_words,
    worse_than_none_in_words,
)
from studio_pipeline.evaluation.levers.true_effects import (
    ERROR_COLUMNS,
    effect_errors,
    effects_summary,
    true_effects,
)
from studio_pipeline.evaluation.metrics.backtest import backtest
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.schemas import EFFECTS, METRICS, SWEEP
from studio_pipeline.evaluation.metrics.summary import learner_weight
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit, refit
from studio_pipeline.evaluation.report.backtest_figures import (
    actual_against_predicted,
    coverage_by_horizon,
    error_by_horizon,
)
from studio_pipeline.evaluation.report.html_report import write_html_report
from studio_pipeline.evaluation.report.model_figures import (
    errors_with_levers_free_and_known,
    predicted_against_true_effects,
    revenue_by_lever,
)
from studio_pipeline.evaluation.report.response_tables import lever_responses, seasonal_factors
from studio_pipeline.evaluation.report.tables import ModelFrames
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights
from studio_pipeline.forecasting.features.feature_table import FEATURES
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.forecasting.model.assembly import assemble_model
from studio_pipeline.forecasting.model.studio_model import Recipe
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.publishing.snapshots import data_version_of
from studio_pipeline.resources.asset_results import (
    in_stage,
    numbers,
    object_result,
    picture,
    rows_metadata,
    sentences,
    table_metadata,
    table_result,
)
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking, flat_parameters
from studio_pipeline.settings import Settings

# ruff: noqa: PLR0913, PLR0917 - an argument of an asset is an edge of the graph


GROUP = "evaluation"
EFFECTS_CAPTION = (
    "`effect_<intervention>`: misses of predicted effects over true effects, both summed without signs:"
    " 0 is right everywhere, 1 is as bad as predicting no effect, more is worse than that."
    " `effects_partial` is the mean over interventions that change one lever and leave the rest to respond."
    " `signs_partial`: share of months with the right sign, where the effect is worth noticing; a coin: 0.5."
)


@dg.multi_asset(
    outs={
        "lever_sweep": dg.AssetOut(
            description="A year's revenue of a typical studio against each lever alone.",
            **in_stage(GROUP, "pandas"),
        ),
        "lever_effects_against_truth": dg.AssetOut(
            description="Predicted effects of levers beside the generator's truth; no rows for other months.",
            **in_stage(GROUP, "pandas"),
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
    metadata = {
        "in_words": sentences(sweep_in_words(sweep)),
        **picture("revenue_by_lever", revenue_by_lever(sweep)),
        "rows": rows_metadata(sweep, limit=400),
    }
    yield table_result(sweep, described(SWEEP), metadata, asset_key="lever_sweep")
    effects = true_effects(forecaster, configuration.generator)
    metadata = effects_metadata(effects)
    yield table_result(effects, described(EFFECTS), metadata, asset_key="lever_effects_against_truth")


def described(schema: DataFrameSchema) -> dict[str, str]:
    """Column to its description."""
    return {name: column.description or "" for name, column in schema.columns.items()}


def effects_metadata(effects: pd.DataFrame) -> dict[str, Any]:
    """Predicted against true effects as sentences, numbers, a figure and rows."""
    return {
        "in_words": sentences([*effects_in_words(effects), *worse_than_none_in_words(effects)]),
        "how_to_read": EFFECTS_CAPTION,
        **numbers(effects_summary(effects)),
        **picture("predicted_against_true", predicted_against_true_effects(effects)),
        "by_intervention": rows_metadata(effect_errors(effects), ERROR_COLUMNS),
    }


@dg.asset(
    description="The published recipe on the new months, backtested: what a changed recipe has to beat.",
    **in_stage(GROUP, "onnx", "pandas"),
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
    done, recipe = refit_plan(settings, champion, Recipe(configuration.forecasting))
    summary: dict[str, float] = {}
    if recipe is not None:
        panel = panel_from_frame(validated_studio_months)
        refitted = refit(recipe, panel, studio_features, configuration.promotion.sign_tolerance)
        done, summary = replace(done, refitted=refitted), refitted.report.summary
    metadata = {"in_words": done.message, "refitted": recipe is not None, **numbers(summary)}
    return object_result(done, metadata)


def figures_of(report: EvaluationReport) -> dict[str, bytes]:
    """The main figures of the evaluation, PNG by name."""
    return {
        "error_by_horizon": error_by_horizon(report.metrics),
        "actual_against_predicted": actual_against_predicted(report.predictions),
        "coverage_by_horizon": coverage_by_horizon(report.metrics),
        "levers_free_and_known": errors_with_levers_free_and_known(report.levers_known),
    }


@dg.asset(
    description="Backtest over rolling origins: metrics beside those of simple baselines, and a report.",
    **in_stage(GROUP, "pandas", "html"),
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
    forecasting, summary = configuration.forecasting, numbers(report.summary)
    parameters = flat_parameters(forecasting.backtest, "backtest")
    parameters |= flat_parameters(forecasting.intervals, "intervals")
    files = {f"figures/{name}.png": png for name, png in figures.items()}
    mlflow.log(Entry(parameters=parameters, metrics=summary, files=files))
    metadata = {
        **dict(shown for name, png in figures.items() for shown in picture(name, png).items()),
        "metrics": rows_metadata(report.metrics, limit=400),
        "levers_free_and_known_by_horizon": rows_metadata(report.levers_known),
        **table_metadata(report.metrics, described(METRICS)),
        **summary,
        "report": dg.MetadataValue.path(str(path)),
    }
    return object_result(report, metadata)
