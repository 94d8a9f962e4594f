"""What knowing the levers is worth: both errors on the same rows, nothing claimed where nothing is known."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.evaluation_report import EvaluationReport
from studio_pipeline.evaluation.levers_known import COLUMNS, levers_known_errors
from studio_pipeline.evaluation.metrics import wape

MakePredictions = Callable[..., pd.DataFrame]


def with_levers_known(rows: pd.DataFrame) -> pd.DataFrame:
    """Knowing the levers halves the error of revenue; the first studio's levers are not known."""
    halved = (rows["ensemble"] + rows["actual"]) / 2
    known = (rows["target"] == "revenue") & (rows["studio_id"] != "s000")
    return rows.assign(levers_known=halved.where(known))


def test_both_errors_are_taken_on_the_rows_that_have_both(make_predictions: MakePredictions) -> None:
    rows = with_levers_known(make_predictions(studios=6))
    table = levers_known_errors(rows).set_index("horizon")
    assert list(table.index) == [*map(str, range(1, 13)), "1-3", "1-6", "1-12"]
    both = rows[(rows["target"] == "revenue") & (rows["studio_id"] != "s000")]
    for label, part in (("5", both[both["horizon"] == 5]), ("1-12", both)):
        free = wape(part["actual"].to_numpy(), part["ensemble"].to_numpy())
        assert table.loc[label, "n"] == len(part)
        assert table.loc[label, "levers_free"] == pytest.approx(free)
        assert table.loc[label, "levers_known"] == pytest.approx(free / 2)


def test_the_summary_has_both(make_predictions: MakePredictions) -> None:
    summary = EvaluationReport.from_predictions(with_levers_known(make_predictions(studios=6))).summary
    for span in ("1", "1-3", "1-6", "1-12"):
        free, known = (summary[f"revenue_wape_{span}_levers_{kind}"] for kind in ("free", "known"))
        assert known == pytest.approx(free / 2)


def test_a_backtest_without_known_levers_says_nothing_of_them(report: EvaluationReport) -> None:
    empty = levers_known_errors(report.predictions)
    assert list(empty) == list(COLUMNS)
    assert empty.empty
    assert levers_known_errors(report.predictions.assign(levers_known=np.nan)).empty
    assert not any("levers" in name for name in report.summary)
