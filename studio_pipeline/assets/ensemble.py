"""Asset of the stage `ensemble`: weights of the candidates per target and horizon.

The weights are estimated in `forecasting.ensemble.weights` from out-of-fold predictions.
"""

from __future__ import annotations

from typing import Any

import dagster as dg

from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.formatting import explained
from studio_pipeline.evaluation.report.model_figures import weights_by_horizon
from studio_pipeline.evaluation.report.model_text import weights_in_words
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.ensemble.weights import fit_weights
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.resources.asset_results import (
    in_stage,
    numbers,
    object_result,
    picture,
    rows_metadata,
    sentences,
    table_metadata,
)
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking, flat_parameters

GROUP = "ensemble"
DESCRIPTIONS = {
    "target": "What is forecast: revenue, members or retention.",
    "horizon": "Months ahead, 1 to 12.",
    "candidate": "A learner, the core, `direct` or `smoothing`, or a simple baseline."
    f" {explained(('own level', 'own smoothing'))}.",
    "weight": "Its share, 0 or more.",
}


@dg.asset(
    description="Weights per target and horizon, never negative, from out-of-fold predictions.",
    **in_stage(GROUP, "numpy", version="3"),
)
def ensemble_weights(
    stock_and_flow_fit: CoreFit,
    xgboost_fit: LearnerFit,
    lightgbm_fit: LearnerFit,
    random_forest_fit: LearnerFit,
    configuration: dg.ResourceParam[Configuration],
    mlflow: MlflowTracking,
) -> Any:
    """Estimate the weights of the core, the learners and the baselines."""
    parameters = configuration.forecasting
    weights = fit_weights(stock_and_flow_fit, [xgboost_fit, lightgbm_fit, random_forest_fit], parameters)
    mlflow.log(Entry(parameters=flat_parameters(parameters.weights, "weights")))
    of_revenue = weights.frame[weights.frame["target"] == "revenue"].groupby("candidate")["weight"].mean()
    return object_result(
        weights,
        {
            **table_metadata(weights.frame, DESCRIPTIONS),
            **numbers({f"mean_revenue_weight_{name}": value for name, value in of_revenue.items()}),
            "findings": sentences(weights_in_words(weights.frame)),
            "weights": rows_metadata(weights.frame, DESCRIPTIONS, limit=400),
            **picture("weights_figure", weights_by_horizon(weights.frame)),
        },
    )
