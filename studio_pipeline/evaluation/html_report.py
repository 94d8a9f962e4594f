"""The evaluation as one self-contained HTML file: sentences, tables, pictures, and no other host."""

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
from studio_pipeline.evaluation import data_figures, data_words, figures, report_tables, report_words
from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.report_tables import FeatureText
from studio_pipeline.evaluation.wording import per_cent


@dataclass(frozen=True)
class Picture:
    """A picture as the template draws it: PNG bytes, and what it shows for those who can't see it."""

    png: bytes
    shows: str

    @property
    def address(self) -> str:
        """The picture itself as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def write_html_report(  # noqa: PLR0913 - each is a table of its own, and named by the caller
    path: Path,
    *,
    panel_frame: pd.DataFrame,
    features: pd.DataFrame,
    feature_descriptions: Iterable[FeatureText],
    rejected: pd.DataFrame,
    report: EvaluationReport,
    weights: pd.DataFrame,
    importances: pd.DataFrame,
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
        weights: target, horizon, candidate, weight.
        importances: learner, target, feature, importance.
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
        weights_words=report_words.weights_in_words(weights),
        importances_words=report_words.importances_in_words(importances),
        panel_words=data_words.panel_in_words(panel_frame),
        data_words=data_words.data_in_words(panel_frame),
        rejected_words=data_words.rejected_in_words(rejected, len(panel_frame)),
        targets=report_tables.targets_judged(report.metrics),
        tables=_tables(panel_frame, features, feature_descriptions, rejected, report),
        pictures=_data_pictures(panel_frame, features, rejected)
        | _model_pictures(panel_frame, report, weights, importances),
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


def _tables(
    panel_frame: pd.DataFrame,
    features: pd.DataFrame,
    descriptions: Iterable[FeatureText],
    rejected: pd.DataFrame,
    report: EvaluationReport,
) -> dict[str, report_tables.Table]:
    tables = {
        "columns": report_tables.columns_table(panel_frame),
        "rejected": report_tables.rejected_table(rejected),
        "features": report_tables.features_table(features, descriptions),
        "types": report_tables.error_by_type(panel_frame, report.predictions),
        "hardest": report_tables.hardest_studios(report.predictions),
    }
    for target in report_tables.targets_judged(report.metrics):
        tables[f"error_{target}"] = report_tables.error_table(report.metrics, target)
        tables[f"beside_{target}"] = report_tables.metrics_beside(report.metrics, target)
        tables[f"metrics_{target}"] = report_tables.metrics_in_full(report.metrics, target)
    return tables


def _data_pictures(
    panel_frame: pd.DataFrame, features: pd.DataFrame, rejected: pd.DataFrame
) -> dict[str, Picture]:
    return {
        "fleet": Picture(data_figures.fleet_revenue(panel_frame), "Revenue of the fleet by month"),
        "seasons": Picture(data_figures.seasonal_factors(panel_frame), "Seasonal factors by studio type"),
        "months": Picture(data_figures.months_per_studio(panel_frame), "Months of history per studio"),
        "rejected": Picture(data_figures.rejected_by_reason(rejected), "Rejected rows by reason"),
        "correlation": Picture(
            data_figures.correlation_with_growth(panel_frame, features), "Correlation of features with growth"
        ),
    }


def _model_pictures(
    panel_frame: pd.DataFrame, report: EvaluationReport, weights: pd.DataFrame, importances: pd.DataFrame
) -> dict[str, Picture]:
    studio = report_tables.typical_studio(report.predictions) or "any studio"
    pictures = {
        "importances": Picture(figures.feature_importances(importances), "Feature importances for revenue"),
        "weights": Picture(
            figures.weights_by_horizon(weights), "Weights of the ensemble by target and horizon"
        ),
        "coverage": Picture(figures.coverage_by_horizon(report.metrics), "Coverage and width by horizon"),
        "fan": Picture(
            figures.forecast_fan(panel_frame, report.predictions, studio),
            f"Forecast of {studio} with its interval",
        ),
    }
    for target in report_tables.targets_judged(report.metrics):
        pictures[f"actual_{target}"] = Picture(
            figures.actual_against_predicted(report.predictions, target), f"Actual against predicted {target}"
        )
        pictures[f"error_{target}"] = Picture(
            figures.error_by_horizon(report.metrics, target),
            f"Error of {target} by horizon, beside baselines",
        )
    return pictures


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
