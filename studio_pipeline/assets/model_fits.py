"""Assets of the stage `model_fits`: the stock-and-flow core and the three learners.

Each is fitted at every backtest fold and on all months. The search for hyperparameters is in `tuning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.report.model_figures import (
    feature_importances,
    responses_with_error_bars,
    seasons_by_flow,
)
from studio_pipeline.evaluation.report.response_tables import (
    RESPONSE_COLUMNS,
    SEASON_COLUMNS,
    lever_responses,
    responses_in_words,
    seasonal_factors,
)
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit, fit_core
from studio_pipeline.forecasting.backtest.learner_backtest import fit_learner
from studio_pipeline.forecasting.learners.learner import LearnerFit, LearnerName
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.resources.asset_results import (
    OWNERS,
    numbers,
    object_result,
    picture,
    rows_metadata,
    sentences,
)
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking, flat_parameters
from studio_pipeline.tuning.spaces import ORIGIN_COLUMNS, origin_in_words, origin_table
from studio_pipeline.tuning.values import ASSET as TUNED

GROUP = "model_fits"
MOST_FACTORS = 600
KINDS: dict[LearnerName, str] = {"xgboost": "xgboost", "lightgbm": "lightgbm", "random_forest": "scikitlearn"}


@dg.asset(
    group_name=GROUP,
    description="The stock-and-flow core: flows and lever responses, at every fold and on all months.",
    kinds={"numpy"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="2",
)
def stock_and_flow_fit(
    validated_studio_months: pd.DataFrame,
    configuration: dg.ResourceParam[Configuration],
    mlflow: MlflowTracking,
) -> Any:
    """Fit the core and log its parameters."""
    parameters, panel = configuration.forecasting, panel_from_frame(validated_studio_months)
    core = fit_core(panel, parameters)
    mlflow.log(Entry(parameters=flat_parameters(parameters.core, "core") | {"seed": parameters.seed}))
    return object_result(core, _core_metadata(core, panel))


def _core_metadata(core: CoreFit, panel: StudioPanel) -> dict[str, Any]:
    seasons = seasonal_factors(core.parameters, panel)
    responses = lever_responses(core.parameters.responses, panel)
    counts = {"folds": len(core.folds), "out_of_fold_origins": len(core.out_of_fold.fold)}
    return {
        **numbers(counts),
        "lever_responses": rows_metadata(responses, RESPONSE_COLUMNS),
        "lever_responses_in_words": sentences(responses_in_words(responses)),
        **picture("lever_responses_figure", responses_with_error_bars(responses)),
        "seasonal_factors": rows_metadata(seasons, SEASON_COLUMNS, limit=MOST_FACTORS),
        **picture("seasonal_factors_figure", seasons_by_flow(seasons)),
    }


def learner_asset(learner: LearnerName) -> dg.AssetsDefinition:
    """Build the asset `<learner>_fit`; all three learners share one interface."""

    @dg.asset(
        name=f"{learner}_fit",
        group_name=GROUP,
        description=f"What {learner.replace('_', ' ')} learns of the core's misses.",
        kinds={KINDS[learner]},
        owners=OWNERS,
        tags={"stage": GROUP},
        code_version="2",
        # No data input: tuned values arrive through the configuration, and need not exist.
        deps=[TUNED],
    )
    def learner_fit(
        validated_studio_months: pd.DataFrame,
        studio_features: pd.DataFrame,
        stock_and_flow_fit: CoreFit,
        configuration: dg.ResourceParam[Configuration],
        mlflow: MlflowTracking,
    ) -> Any:
        panel = panel_from_frame(validated_studio_months)
        fit = fit_learner(learner, panel, studio_features, stock_and_flow_fit, configuration.forecasting)
        mlflow.log(_entry(fit, learner, configuration))
        return object_result(fit, _metadata(fit) | origin_metadata(configuration, learner))

    return learner_fit


def _entry(fit: LearnerFit, learner: LearnerName, configuration: Configuration) -> Entry:
    return Entry(
        parameters=flat_parameters(getattr(configuration.forecasting, learner), learner),
        files=native_files([fit]),
    )


def native_files(fits: Sequence[LearnerFit]) -> dict[str, bytes]:
    """Models in their libraries' own formats, by path below an MLflow run's artifacts."""
    return {f"models/{name}": content for fit in fits for name, content in fit.native_models.items()}


def _metadata(fit: LearnerFit) -> dict[str, Any]:
    size_bytes = sum(map(len, fit.native_models.values()))
    return {
        **numbers(
            {
                "native_model_bytes": size_bytes,
                "out_of_fold_rows": max(map(len, fit.out_of_fold.values()), default=0),
            }
        ),
        "importances": rows_metadata(fit.importances),
        **picture("importances_figure", feature_importances(fit.importances)),
    }


def origin_metadata(configuration: Configuration, learner: LearnerName) -> dict[str, Any]:
    """Metadata on the source of a fit's hyperparameters: default, configured or tuned."""
    table = origin_table(configuration.forecasting, configuration.untuned, learner)
    return {
        "hyperparameters_from": origin_in_words(table),
        "hyperparameters": rows_metadata(table, ORIGIN_COLUMNS),
    }


xgboost_fit = learner_asset("xgboost")
lightgbm_fit = learner_asset("lightgbm")
random_forest_fit = learner_asset("random_forest")
