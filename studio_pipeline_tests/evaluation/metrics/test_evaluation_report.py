"""The report's tables fit their schemas, survive the disk as they are, and bad rows are named."""

import math
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pytest

from studio_pipeline.evaluation.metrics import schemas
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline_tests.evaluation.conftest import predictions_of


def test_no_backtest_gives_tables_in_form_and_zero_counts() -> None:
    report = EvaluationReport.from_predictions(predictions_of(studios=1, origins=1).iloc[:0])
    schemas.PREDICTIONS.validate(report.predictions, lazy=True)
    schemas.METRICS.validate(report.metrics, lazy=True)
    counts = ["n_studios", "n_origins", "n_months", "n_forecasts", "n_missing"]
    assert report.summary == dict.fromkeys(counts, 0.0)


BAD_PREDICTIONS = [
    ("horizon", 13, "horizon"),
    ("target", "tickets", "target"),
    ("scale", -1.0, "scale"),
    ("lower_90", 1e12, "lower_90 > upper_90"),
]


@pytest.mark.parametrize(("column", "value", "named"), BAD_PREDICTIONS)
def test_bad_predictions_are_refused(predictions, column, value, named) -> None:
    rows = predictions.copy()
    rows.loc[0, column] = value
    with pytest.raises(pa.errors.SchemaErrors, match=named):
        schemas.PREDICTIONS.validate(rows, lazy=True)


def test_duplicates_and_foreign_columns_are_refused(predictions: pd.DataFrame) -> None:
    for rows in (
        pd.concat([predictions, predictions.head(1)], ignore_index=True),
        predictions.assign(extra=1.0),
    ):
        with pytest.raises(pa.errors.SchemaErrors):
            schemas.PREDICTIONS.validate(rows, lazy=True)


@pytest.mark.parametrize(
    ("column", "value"),
    [("coverage_90", 1.1), ("wape", -0.1), ("r2", 1.01), ("horizon", "13"), ("candidate", "magic")],
)
def test_bad_metrics_are_refused(report: EvaluationReport, column: str, value: object) -> None:
    rows = report.metrics.copy()
    rows.loc[0, column] = value
    with pytest.raises(pa.errors.SchemaErrors, match=column):
        schemas.METRICS.validate(rows, lazy=True)


def test_written_and_read_back_it_is_the_same(tmp_path: Path) -> None:
    rows = predictions_of(studios=3, origins=2)
    rows.loc[rows["target"] == "members", "scale"] = math.nan
    report = EvaluationReport.from_predictions(rows)
    report.write(tmp_path / "a" / "evaluation")
    again = EvaluationReport.read(tmp_path / "a" / "evaluation")
    pd.testing.assert_frame_equal(again.predictions, report.predictions)
    pd.testing.assert_frame_equal(again.metrics, report.metrics)
    assert again.summary == pytest.approx(report.summary, nan_ok=True, rel=1e-15)
    schemas.PREDICTIONS.validate(again.predictions, lazy=True)
    schemas.METRICS.validate(again.metrics, lazy=True)
