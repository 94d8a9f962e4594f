"""The stock-and-flow core, and three learners of what it misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.assets.results import OWNERS, numbers, object_result, picture, rows_metadata
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.figures import feature_importances
from studio_pipeline.forecasting.core_fit import CoreFit, fit_core
from studio_pipeline.forecasting.learners import LearnerFit, LearnerName, fit_learner
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking, flat_parameters

GROUP = "model_fits"
KINDS: dict[LearnerName, str] = {"xgboost": "xgboost", "lightgbm": "lightgbm", "random_forest": "scikitlearn"}


@dg.asset(
    group_name=GROUP,
    description="The stock-and-flow core: flows and lever responses, at every fold and on all months.",
    kinds={"numpy"},
    owners=OWNERS,
    tags={"stage": GROUP},
    code_version="1",
)
def stock_and_flow_fit(
    validated_studio_months: pd.DataFrame,
    configuration: dg.ResourceParam[Configuration],
    mlflow: MlflowTracking,
) -> Any:
    """Fit the core."""
    parameters = configuration.forecasting
    core = fit_core(panel_from_frame(validated_studio_months), parameters)
    mlflow.log(Entry(parameters=flat_parameters(parameters.core, "core") | {"seed": parameters.seed}))
    return object_result(core, _core_metadata(core))


def _core_metadata(core: CoreFit) -> dict[str, Any]:
    effects = pd.DataFrame(
        [
            {"flow": flow, "responds_to": regressor, **asdict(effect)}
            for flow, responses in core.parameters.responses.effects.items()
            for regressor, effect in responses.items()
        ]
    )
    counts = {"folds": len(core.folds), "out_of_fold_origins": len(core.out_of_fold.fold)}
    return {**numbers(counts), "lever_responses": rows_metadata(effects)}


def learner_asset(learner: LearnerName) -> dg.AssetsDefinition:
    """The fit of one learner, through the interface that all three share."""

    @dg.asset(
        name=f"{learner}_fit",
        group_name=GROUP,
        description=f"What {learner.replace('_', ' ')} learns of the core's misses.",
        kinds={KINDS[learner]},
        owners=OWNERS,
        tags={"stage": GROUP},
        code_version="1",
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
        return object_result(fit, _metadata(fit))

    return learner_fit


def _entry(fit: LearnerFit, learner: LearnerName, configuration: Configuration) -> Entry:
    return Entry(
        parameters=flat_parameters(getattr(configuration.forecasting, learner), learner),
        files=native_files([fit]),
    )


def native_files(fits: Sequence[LearnerFit]) -> dict[str, bytes]:
    """The learners in their libraries' own formats, by path below an MLflow run's artifacts."""
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


xgboost_fit = learner_asset("xgboost")
lightgbm_fit = learner_asset("lightgbm")
random_forest_fit = learner_asset("random_forest")
