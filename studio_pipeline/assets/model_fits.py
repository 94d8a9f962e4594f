"""Assets of the stage `model_fits`: the stock-and-flow core, the learners, and their tuned hyperparameters.

Core and learners are fitted at every backtest fold and on all months. `tuned_hyperparameters` is materialised
by the job `tune_learners` only; the search and its verdicts are in the package `tuning`.
"""

from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import SettingsError
from studio_pipeline.evaluation.report.model_figures import (
    feature_importances,
    responses_with_error_bars,
    search_history,
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
from studio_pipeline.forecasting.base.hyperparameters import LearnerName
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.resources.asset_results import (
    content_sha,
    in_stage,
    numbers,
    object_result,
    picture,
    rows_metadata,
    sentences,
)
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking, flat_parameters
from studio_pipeline.settings import Settings
from studio_pipeline.tuning.learner_tuning import tune_learners
from studio_pipeline.tuning.result import IMPORTANCE_COLUMNS, TRIAL_COLUMNS
from studio_pipeline.tuning.spaces import ORIGIN_COLUMNS, Values, origin_in_words, origin_table
from studio_pipeline.tuning.values import ASSET as TUNED
from studio_pipeline.tuning.values import read_tuned_values
from studio_pipeline.tuning.verdicts import VERDICT_COLUMNS, verdict_table

GROUP = "model_fits"
MOST_FACTORS, MOST_TRIALS_SHOWN = 600, 300
KINDS: dict[LearnerName, str] = {"xgboost": "xgboost", "lightgbm": "lightgbm", "random_forest": "scikitlearn"}


@dg.asset(
    description="The stock-and-flow core: flows and lever responses, at every fold and on all months.",
    **in_stage(GROUP, "numpy", version="3"),
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
        description=f"What {learner.replace('_', ' ')} learns of the core's misses.",
        # No data input: tuned values arrive through the configuration, and need not exist.
        deps=[TUNED],
        **in_stage(GROUP, KINDS[learner], version="3"),
    )
    def learner_fit(
        validated_studio_months: pd.DataFrame,
        studio_features: pd.DataFrame,
        stock_and_flow_fit: CoreFit,
        configuration: dg.ResourceParam[Configuration],
        mlflow: MlflowTracking,
    ) -> Any:
        panel, forecasting = panel_from_frame(validated_studio_months), configuration.forecasting
        fit = fit_learner(learner, panel, studio_features, stock_and_flow_fit, forecasting)
        parameters = flat_parameters(getattr(forecasting, learner), learner)
        # By path below an MLflow run's artifacts, in the library's own format.
        files = {f"models/{name}": content for name, content in fit.native_models.items()}
        mlflow.log(Entry(parameters=parameters, files=files))
        counts = {
            "native_model_bytes": sum(map(len, fit.native_models.values())),
            "out_of_fold_rows": max(map(len, fit.out_of_fold.values()), default=0),
        }
        origins = origin_table(forecasting, configuration.untuned, learner)
        metadata = {
            **numbers(counts),
            "importances": rows_metadata(fit.importances),
            **picture("importances_figure", feature_importances(fit.importances)),
            "hyperparameters_from": origin_in_words(origins),
            "hyperparameters": rows_metadata(origins, ORIGIN_COLUMNS),
        }
        return object_result(fit, metadata)

    return learner_fit


xgboost_fit = learner_asset("xgboost")
lightgbm_fit = learner_asset("lightgbm")
random_forest_fit = learner_asset("random_forest")


@dg.asset(
    name=TUNED,
    description="Hyperparameters that beat the learners' defaults beyond noise; the defaults where none do.",
    **in_stage(GROUP, "optuna"),
)
def tuned_hyperparameters(
    context: dg.AssetExecutionContext,
    validated_studio_months: pd.DataFrame,
    settings: dg.ResourceParam[Settings],
    configuration: dg.ResourceParam[Configuration],
) -> Any:
    """Search hyperparameters, and compare the best ones with the defaults."""
    panel, earlier = panel_from_frame(validated_studio_months), dict[str, Values]()
    try:
        earlier = dict(read_tuned_values(settings.home).values)
    except SettingsError as error:
        context.log.warning("The search begins from the defaults alone. %s", error.what)
    recipe, options = configuration.untuned, configuration.tuning
    tuned = tune_learners(panel, recipe, options, settings.home, context.run.run_id, earlier)
    shown = tuned.trials.tail(MOST_TRIALS_SHOWN)
    gains = {f"{v.learner}_gain": v.gain.share for v in tuned.verdicts if v.gain is not None}
    trials = {f"{v.learner}_trials": v.search.trials for v in tuned.verdicts}
    metadata: dict[str, Any] = {
        "in_words": sentences([verdict.reason for verdict in tuned.verdicts]),
        "data_searched": tuned.data_version,
        **numbers({"learners_tuned": len(tuned.values), **trials, **gains}),
        "verdicts": rows_metadata(verdict_table(tuned.verdicts), VERDICT_COLUMNS),
        "importances": rows_metadata(tuned.importances, IMPORTANCE_COLUMNS),
        "trials": rows_metadata(shown, TRIAL_COLUMNS, limit=MOST_TRIALS_SHOWN),
        **picture("search_history", search_history(tuned.trials)),
    }
    # Only the values count: the same values make the same recipe, whatever the trials were.
    version = dg.DataVersion(content_sha(tuned.values))
    return dg.MaterializeResult(value=tuned, data_version=version, metadata=metadata)
