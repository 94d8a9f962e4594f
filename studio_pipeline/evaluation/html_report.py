"""The evaluation as one self-contained HTML file: sentences, tables, pictures, and no other host."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

import jinja2
import pandas as pd

from studio_pipeline.errors import StorageError
from studio_pipeline.evaluation import (
    data_tables,
    data_words,
    error_tables,
    lever_words,
    model_tables,
    report_words,
)
from studio_pipeline.evaluation.data_tables import FeatureText
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.glossary import GLOSSARY
from studio_pipeline.evaluation.learner_words import learners_without_weight
from studio_pipeline.evaluation.model_tables import ModelFrames
from studio_pipeline.evaluation.report_pictures import backtest_pictures, data_pictures, model_pictures
from studio_pipeline.evaluation.report_tables import Table
from studio_pipeline.evaluation.response_tables import responses_in_words
from studio_pipeline.evaluation.summary import learner_weight
from studio_pipeline.evaluation.wording import per_cent


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
    """Write the report in one step: readers see the one before it or the whole new one.

    Args:
        path: the HTML file; its folder is made.
        panel_frame: validated months.
        features: studio_id, month_year and a column a feature.
        feature_descriptions: name, unit and description of each feature.
        rejected: file, line, studio_id, month_year, column, value, reason.
        report: the evaluation.
        model: what the model has learned, and what it says of levers.
        details: what was published, label to text (model version, data version, run, ...); the text under
            "decision" is set at the top.

    Raises:
        StorageError: the disk refused.
    """
    text = _template().render(
        details={name: value for name, value in details.items() if name != "decision"},
        decision=details.get("decision", ""),
        summary=report.summary,
        words=report_words,
        per_cent=per_cent,
        weights_words=report_words.weights_in_words(model.weights),
        idle_learners=learners_without_weight(learner_weight(model.weights)),
        importances_words=report_words.importances_in_words(model.importances),
        responses_words=responses_in_words(model.responses),
        sweep_words=lever_words.sweep_in_words(model.sweep),
        effects_words=lever_words.effects_in_words(model.effects),
        known_words=lever_words.levers_known_in_words(report.summary),
        panel_words=data_words.panel_in_words(panel_frame),
        data_words=data_words.data_in_words(panel_frame),
        rejected_words=data_words.rejected_in_words(rejected, len(panel_frame)),
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
        resources.files("studio_pipeline.evaluation").joinpath("templates", "report.html").read_text("utf-8")
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
    """A percent sign stays on the line of its number."""
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
    """Write beside the file and rename over it, so that nobody ever reads half a report."""
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
