"""The report's pictures by name, each with words for those who can't see it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pandas as pd

from studio_pipeline.evaluation import (
    backtest_figures,
    core_figures,
    data_figures,
    ensemble_figures,
    interval_figures,
    lever_figures,
)
from studio_pipeline.evaluation.error_tables import targets_judged, typical_error_studio
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.model_tables import ModelFrames


@dataclass(frozen=True)
class Picture:
    """A picture as the template draws it: PNG bytes, and what it shows for those who can't see it."""

    png: bytes
    shows: str

    @property
    def address(self) -> str:
        """The picture itself as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def data_pictures(
    panel_frame: pd.DataFrame, features: pd.DataFrame, rejected: pd.DataFrame
) -> dict[str, Picture]:
    """Pictures of the months, before any model."""
    return {
        "fleet": Picture(data_figures.fleet_revenue(panel_frame), "Revenue of the fleet by month"),
        "seasons": Picture(data_figures.seasonal_factors(panel_frame), "Seasonal factors by studio type"),
        "months": Picture(data_figures.months_per_studio(panel_frame), "Months of history per studio"),
        "rejected": Picture(data_figures.rejected_by_reason(rejected), "Rejected rows by reason"),
        "correlation": Picture(
            data_figures.correlation_with_growth(panel_frame, features), "Correlation of features with growth"
        ),
    }


def model_pictures(model: ModelFrames) -> dict[str, Picture]:
    """Pictures of what the model has learned, and of what it says of levers."""
    return {
        "flows": Picture(core_figures.seasons_by_flow(model.seasons), "Seasons of the core's flows by type"),
        "responses": Picture(
            core_figures.responses_with_error_bars(model.responses), "Responses to levers with error bars"
        ),
        "importances": Picture(
            ensemble_figures.feature_importances(model.importances), "Feature importances for revenue"
        ),
        "weights": Picture(
            ensemble_figures.weights_by_horizon(model.weights),
            "Weights of the ensemble by target and horizon",
        ),
        "sweep": Picture(
            lever_figures.revenue_by_lever(model.sweep), "A year's revenue of a typical studio by lever"
        ),
        "effects": Picture(
            lever_figures.predicted_against_true_effects(model.effects), "Predicted against true effects"
        ),
    }


def backtest_pictures(panel_frame: pd.DataFrame, report: EvaluationReport) -> dict[str, Picture]:
    """Pictures of the backtest."""
    studio = typical_error_studio(report.predictions) or "any studio"
    pictures = {
        "coverage": Picture(
            interval_figures.coverage_by_horizon(report.metrics), "Coverage and width by horizon"
        ),
        "fan": Picture(
            interval_figures.forecast_fan(panel_frame, report.predictions, studio),
            f"Forecast of {studio} with its interval",
        ),
        "known": Picture(
            lever_figures.errors_with_levers_free_and_known(report.levers_known),
            "Error with levers free and known",
        ),
    }
    for target in targets_judged(report.metrics):
        pictures[f"actual_{target}"] = Picture(
            backtest_figures.actual_against_predicted(report.predictions, target),
            f"Actual against predicted {target}",
        )
        pictures[f"error_{target}"] = Picture(
            backtest_figures.error_by_horizon(report.metrics, target),
            f"Error of {target} by horizon, beside baselines",
        )
    return pictures
