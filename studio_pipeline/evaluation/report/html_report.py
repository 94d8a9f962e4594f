"""The evaluation as one self-contained HTML file.

Collects sentences, tables and figures and renders them with `templates/report.html`. The content comes from
`model_text`, `tables`, the figure modules and `evaluation.levers`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd

from studio_pipeline.evaluation.formatting import GLOSSARY, learners_without_weight, per_cent
from studio_pipeline.evaluation.levers import lever_text
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.summary import learner_weight
from studio_pipeline.evaluation.report import (
    backtest_figures,
    data_figures,
    model_figures,
    model_text,
    tables,
)
from studio_pipeline.evaluation.report.response_tables import responses_in_words
from studio_pipeline.evaluation.report.tables import ModelFrames, Table
from studio_pipeline.forecasting.features.formulas import FeatureDescription
from studio_pipeline.publishing.storage import replace_file, storage_errors


def write_html_report(  # noqa: PLR0913 - each is a table of its own, and named by the caller
    path: Path,
    *,
    panel_frame: pd.DataFrame,
    features: pd.DataFrame,
    feature_descriptions: Sequence[FeatureDescription],
    rejected: pd.DataFrame,
    report: EvaluationReport,
    model: ModelFrames,
    details: Mapping[str, str],
) -> None:
    """Write the report atomically: readers see the previous one or the whole new one.

    Args:
        path: the HTML file; its folder is created.
        panel_frame: validated months.
        features: studio_id, month_year and a column per feature.
        rejected: file, line, studio_id, month_year, column, value, reason.
        details: facts of the publication, label to text; the text under "decision" is set at the top.
    """
    studio = tables.typical_error_studio(report.predictions) or "any studio"
    text = _template().render(
        details={name: value for name, value in details.items() if name != "decision"},
        decision=details.get("decision", ""),
        summary=report.summary,
        text=model_text,
        per_cent=per_cent,
        weights_text=model_text.weights_in_words(model.weights),
        idle_learners=learners_without_weight(learner_weight(model.weights)),
        importances_text=model_text.importances_in_words(model.importances),
        responses_text=responses_in_words(model.responses),
        sweep_text=lever_text.sweep_in_words(model.sweep),
        effects_text=lever_text.effects_in_words(model.effects),
        known_text=lever_text.levers_known_in_words(report.summary),
        panel_text=model_text.panel_in_words(panel_frame),
        data_text=model_text.data_in_words(panel_frame),
        rejected_text=model_text.rejected_in_words(rejected, len(panel_frame)),
        glossary=GLOSSARY,
        targets=tables.targets_judged(report.metrics),
        tables={
            "columns": tables.columns_table(panel_frame),
            "rejected": tables.rejected_table(rejected),
            "features": tables.features_table(features, feature_descriptions),
            **_tables(panel_frame, report, model),
        },
        pictures={
            name: f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
            for name, png in _pictures(panel_frame, features, rejected, report, model, studio).items()
        },
        studio=studio,
    )
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode())


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("studio_pipeline.evaluation.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_tidy,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _tidy(value: object) -> object:
    """Keep percent signs on the line of their number."""
    return value.replace(" %", "\N{NO-BREAK SPACE}%") if type(value) is str else value


def _tables(panel_frame: pd.DataFrame, report: EvaluationReport, model: ModelFrames) -> dict[str, Table]:
    found = {
        "types": tables.error_by_type(panel_frame, report.predictions),
        "hardest": tables.hardest_studios(report.predictions),
        "flows": tables.seasons_table(model.seasons),
        "responses": tables.responses_table(model.responses),
        "sweep": tables.sweep_table(model.sweep),
        "effects": tables.effects_table(model.effects),
        "known": tables.levers_known_table(report.levers_known),
    }
    for target in model.weights["target"].unique():
        found[f"weights_{target}"] = tables.weights_table(model.weights, str(target))
    for target in tables.targets_judged(report.metrics):
        found[f"error_{target}"] = tables.error_table(report.metrics, target)
        found[f"beside_{target}"] = tables.metrics_beside(report.metrics, target)
        found[f"metrics_{target}"] = tables.metrics_in_full(report.metrics, target)
    return found


def _pictures(
    panel_frame: pd.DataFrame,
    features: pd.DataFrame,
    rejected: pd.DataFrame,
    report: EvaluationReport,
    model: ModelFrames,
    studio: str,
) -> dict[str, bytes]:
    """Pictures by name; the template has their alternative texts."""
    found = {
        "fleet": data_figures.fleet_revenue(panel_frame),
        "seasons": data_figures.seasonal_factors(panel_frame),
        "months": data_figures.months_per_studio(panel_frame),
        "rejected": data_figures.rejected_by_reason(rejected),
        "correlation": data_figures.correlation_with_growth(panel_frame, features),
        "flows": model_figures.seasons_by_flow(model.seasons),
        "responses": model_figures.responses_with_error_bars(model.responses),
        "importances": model_figures.feature_importances(model.importances),
        "weights": model_figures.weights_by_horizon(model.weights),
        "sweep": model_figures.revenue_by_lever(model.sweep),
        "effects": model_figures.predicted_against_true_effects(model.effects),
        "coverage": backtest_figures.coverage_by_horizon(report.metrics),
        "fan": backtest_figures.forecast_fan(panel_frame, report.predictions, studio),
        "known": model_figures.errors_with_levers_free_and_known(report.levers_known),
    }
    for target in tables.targets_judged(report.metrics):
        found[f"actual_{target}"] = backtest_figures.actual_against_predicted(report.predictions, target)
        found[f"error_{target}"] = backtest_figures.error_by_horizon(report.metrics, target)
    return found
