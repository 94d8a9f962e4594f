"""The evaluation as one self-contained HTML file.

Collects sentences, tables and figures and renders them with `templates/report.html`. The content comes from
`model_text`, `tables`, `model_tables`, the figure modules and `evaluation.levers`.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
import pandas as pd

from studio_pipeline.errors import StorageError
from studio_pipeline.evaluation.formatting import GLOSSARY, learners_without_weight, per_cent
from studio_pipeline.evaluation.levers import lever_figures, lever_text
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.summary import learner_weight
from studio_pipeline.evaluation.report import (
    backtest_figures,
    core_figures,
    data_figures,
    ensemble_figures,
    model_tables,
    model_text,
)
from studio_pipeline.evaluation.report import backtest_figures as interval_figures
from studio_pipeline.evaluation.report import tables as data_tables
from studio_pipeline.evaluation.report import tables as error_tables
from studio_pipeline.evaluation.report.model_tables import ModelFrames
from studio_pipeline.evaluation.report.response_tables import responses_in_words
from studio_pipeline.evaluation.report.tables import FeatureText, Table, targets_judged, typical_error_studio


@dataclass(frozen=True)
class Picture:
    """A picture for the template: PNG bytes, and an alternative text."""

    png: bytes
    shows: str

    @property
    def address(self) -> str:
        """The picture as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def data_pictures(
    panel_frame: pd.DataFrame, features: pd.DataFrame, rejected: pd.DataFrame
) -> dict[str, Picture]:
    """Pictures of the data, independent of any model."""
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
    """Pictures of the fitted model and of the effects of levers."""
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


def write_html_report(  # noqa: PLR0913 - each is a table of its own, and named by the caller
    path: Path,
    *,
    panel_frame: pd.DataFrame,
    features: pd.DataFrame,
    feature_descriptions: Iterable[FeatureText],
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
        feature_descriptions: name, unit and description of each feature.
        rejected: file, line, studio_id, month_year, column, value, reason.
        report: the evaluation.
        model: tables of the fitted model and of the effects of levers.
        details: facts of the publication, label to text (model version, data version, run, ...); the text
            under "decision" is set at the top.

    Raises:
        StorageError: writing failed.
    """
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
        targets=error_tables.targets_judged(report.metrics),
        tables=_data_tables(panel_frame, features, feature_descriptions, rejected)
        | _error_tables(panel_frame, report)
        | _model_tables(model, report),
        pictures=data_pictures(panel_frame, features, rejected)
        | model_pictures(model)
        | backtest_pictures(panel_frame, report),
    )
    _replace(path, text)


def _template() -> jinja2.Template:
    source = (
        resources.files("studio_pipeline.evaluation.report")
        .joinpath("templates", "report.html")
        .read_text("utf-8")
    )
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_tidy,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(source)


def _tidy(value: object) -> object:
    """Keep percent signs on the line of their number."""
    return value.replace(" %", "\N{NO-BREAK SPACE}%") if type(value) is str else value


def _data_tables(
    panel_frame: pd.DataFrame,
    features: pd.DataFrame,
    descriptions: Iterable[FeatureText],
    rejected: pd.DataFrame,
) -> dict[str, Table]:
    return {
        "columns": data_tables.columns_table(panel_frame),
        "rejected": data_tables.rejected_table(rejected),
        "features": data_tables.features_table(features, descriptions),
    }


def _error_tables(panel_frame: pd.DataFrame, report: EvaluationReport) -> dict[str, Table]:
    tables = {
        "types": error_tables.error_by_type(panel_frame, report.predictions),
        "hardest": error_tables.hardest_studios(report.predictions),
    }
    for target in error_tables.targets_judged(report.metrics):
        tables[f"error_{target}"] = error_tables.error_table(report.metrics, target)
        tables[f"beside_{target}"] = error_tables.metrics_beside(report.metrics, target)
        tables[f"metrics_{target}"] = error_tables.metrics_in_full(report.metrics, target)
    return tables


def _model_tables(model: ModelFrames, report: EvaluationReport) -> dict[str, Table]:
    weights = {
        f"weights_{target}": model_tables.weights_table(model.weights, str(target))
        for target in model.weights["target"].unique()
    }
    return weights | {
        "flows": model_tables.seasons_table(model.seasons),
        "responses": model_tables.responses_table(model.responses),
        "sweep": model_tables.sweep_table(model.sweep),
        "effects": model_tables.effects_table(model.effects),
        "known": model_tables.levers_known_table(report.levers_known),
    }


def _replace(path: Path, text: str) -> None:
    """Write beside the file and rename over it, so that no reader sees an incomplete report."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StorageError(
            f"The report {path} can't be written: {error}.", "Free some space, or check the folder's rights."
        ) from error
