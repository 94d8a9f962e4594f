"""Metadata of the evaluation's assets for the web UI, and the evaluation's entry in MLflow.

Tables, figures and sentences are computed in the package `evaluation`; the assets are in `assets.evaluation`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.levers.lever_text import (
    effects_in_words,
    sweep_in_words,
    worse_than_none_in_words,
)
from studio_pipeline.evaluation.levers.true_effects import ERROR_COLUMNS, effect_errors, effects_summary
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.schemas import METRICS
from studio_pipeline.evaluation.report.backtest_figures import (
    actual_against_predicted,
    coverage_by_horizon,
    error_by_horizon,
)
from studio_pipeline.evaluation.report.model_figures import (
    errors_with_levers_free_and_known,
    predicted_against_true_effects,
    revenue_by_lever,
)
from studio_pipeline.resources.asset_results import numbers, picture, rows_metadata, sentences, table_metadata
from studio_pipeline.resources.mlflow_tracking import Entry, flat_parameters

EFFECTS_CAPTION = (
    "`effect_<intervention>`: misses of predicted effects over true effects, both summed without signs:"
    " 0 is right everywhere, 1 is as bad as predicting no effect, more is worse than that."
    " `effects_partial` is the mean over interventions that change one lever and leave the rest to respond."
    " `signs_partial`: share of months with the right sign, where the effect is worth noticing; a coin: 0.5."
)
DESCRIPTIONS = {name: column.description or "" for name, column in METRICS.columns.items()}


def sweep_metadata(sweep: pd.DataFrame) -> dict[str, Any]:
    """The lever sweep as sentences, a figure and rows."""
    return {
        "in_words": sentences(sweep_in_words(sweep)),
        **picture("revenue_by_lever", revenue_by_lever(sweep)),
        "rows": rows_metadata(sweep, limit=400),
    }


def effects_metadata(effects: pd.DataFrame) -> dict[str, Any]:
    """Predicted against true effects as sentences, numbers, a figure and rows."""
    return {
        "in_words": sentences([*effects_in_words(effects), *worse_than_none_in_words(effects)]),
        "how_to_read": EFFECTS_CAPTION,
        **numbers(effects_summary(effects)),
        **picture("predicted_against_true", predicted_against_true_effects(effects)),
        "by_intervention": rows_metadata(effect_errors(effects), ERROR_COLUMNS),
    }


def figures_of(report: EvaluationReport) -> dict[str, bytes]:
    """The main figures of the evaluation, PNG by name."""
    return {
        "error_by_horizon": error_by_horizon(report.metrics),
        "actual_against_predicted": actual_against_predicted(report.predictions),
        "coverage_by_horizon": coverage_by_horizon(report.metrics),
        "levers_free_and_known": errors_with_levers_free_and_known(report.levers_known),
    }


def report_entry(report: EvaluationReport, figures: dict[str, bytes], configuration: Configuration) -> Entry:
    """MLflow entry of an evaluation: parameters, metrics and figures."""
    forecasting = configuration.forecasting
    return Entry(
        parameters=flat_parameters(forecasting.backtest, "backtest")
        | flat_parameters(forecasting.intervals, "intervals"),
        metrics=numbers(report.summary),
        files={f"figures/{name}.png": png for name, png in figures.items()},
    )


def report_metadata(report: EvaluationReport, figures: dict[str, bytes]) -> dict[str, Any]:
    """Figures, metrics in rows, and the numbers of the summary."""
    pictures: dict[str, Any] = {}
    for name, png in figures.items():
        pictures |= picture(name, png)
    return {
        **pictures,
        "metrics": rows_metadata(report.metrics, limit=400),
        "levers_free_and_known_by_horizon": rows_metadata(report.levers_known),
        **table_metadata(report.metrics, DESCRIPTIONS),
        **numbers(report.summary),
    }
