"""What knowing the levers is worth: both errors on the same rows, nothing claimed where nothing is known."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.metrics.backtest import backtest
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.schemas import PREDICTIONS
from studio_pipeline.evaluation.metrics.summary import COLUMNS, levers_known_errors
from studio_pipeline_tests.forecasting.fleets import CONFIGURATION, small_fleet

MakePredictions = Callable[..., pd.DataFrame]


def knowing_levers(rows: pd.DataFrame) -> pd.DataFrame:
    """Knowing the levers halves the error of revenue; the first studio's levers are not known."""
    halved = (rows["ensemble"] + rows["actual"]) / 2
    known = (rows["target"] == "revenue") & (rows["studio_id"] != "s000")
    return rows.assign(levers_known=halved.where(known))


def test_both_errors_are_taken_on_the_rows_that_have_both(make_predictions: MakePredictions) -> None:
    rows = knowing_levers(make_predictions(studios=6))
    table = levers_known_errors(rows).set_index("horizon")
    assert list(table.index) == [*map(str, range(1, 13)), "1-3", "1-6", "1-12"]
    both = rows[(rows["target"] == "revenue") & (rows["studio_id"] != "s000")]
    for label, part in (("5", both[both["horizon"] == 5]), ("1-12", both)):
        free = (part["ensemble"] - part["actual"]).abs().sum() / part["actual"].sum()
        assert table.loc[label, "n"] == len(part)
        assert table.loc[label, "levers_free"] == pytest.approx(free)
        assert table.loc[label, "levers_known"] == pytest.approx(free / 2)


def test_the_summary_has_both(make_predictions: MakePredictions) -> None:
    summary = EvaluationReport.from_predictions(knowing_levers(make_predictions(studios=6))).summary
    for span in ("1", "1-3", "1-6", "1-12"):
        free, known = (summary[f"revenue_wape_{span}_levers_{kind}"] for kind in ("free", "known"))
        assert known == pytest.approx(free / 2)


def test_a_backtest_without_known_levers_says_nothing_of_them(report: EvaluationReport) -> None:
    empty = levers_known_errors(report.predictions)
    assert list(empty) == list(COLUMNS)
    assert empty.empty
    assert levers_known_errors(report.predictions.assign(levers_known=np.nan)).empty
    assert not any("levers" in name for name in report.summary)


def test_the_column_stands_beside_the_free_forecasts_of_the_same_origin() -> None:
    fleet = small_fleet()
    origins = fleet.core.out_of_fold.origins
    forecast = fleet.core.out_of_fold.known.all_known["revenue"]
    table = backtest(fleet.panel, fleet.core, fleet.fits, fleet.weights, CONFIGURATION)
    PREDICTIONS.validate(table, lazy=True)
    assert table.loc[table["target"] != "revenue", "levers_known"].isna().all()
    row = table[table["target"] == "revenue"].iloc[77]
    place = (fleet.panel.studio_ids[origins.rows] == row["studio_id"]) & (
        fleet.panel.months[origins.columns] == row["base_month"].to_datetime64().astype("datetime64[M]")
    )
    assert row["levers_known"] == forecast[place][0, row["horizon"] - 1]
    total = levers_known_errors(table).set_index("horizon").loc["1-12"]
    assert 0 < total["levers_known"] < 0.5 * total["levers_free"]
