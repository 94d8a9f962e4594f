"""The summary's numbers, what knowing the levers is worth, and a ratio's standard error."""

import math

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.metrics.backtest import backtest
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.prediction_table import CANDIDATES, SIMPLE_BASELINES, best_baseline
from studio_pipeline.evaluation.metrics.schemas import PREDICTIONS
from studio_pipeline.evaluation.metrics.summary import COLUMNS, levers_known_errors, ratio_standard_error
from studio_pipeline_tests.evaluation.conftest import predictions_of
from studio_pipeline_tests.forecasting.fleets import CONFIGURATION, small_fleet


def wape(rows: pd.DataFrame, candidate: str) -> float:
    return float((rows[candidate] - rows["actual"]).abs().sum() / rows["actual"].sum())


def test_wape_of_every_candidate_over_every_span(report: EvaluationReport) -> None:
    for target in ("revenue", "members", "retention"):
        for span, last in (("1", 1), ("1-3", 3), ("1-6", 6), ("1-12", 12)):
            rows = report.predictions[report.predictions["target"] == target]
            rows = rows[rows["horizon"] <= last]
            for candidate in CANDIDATES:
                expected = wape(rows, candidate)
                assert report.summary[f"{target}_wape_{span}_{candidate}"] == pytest.approx(expected)


def test_differences_are_ratios_of_wape(report: EvaluationReport) -> None:
    summary = report.summary
    for baseline in SIMPLE_BASELINES:
        ratio = summary["revenue_wape_1-6_ensemble"] / summary[f"revenue_wape_1-6_{baseline}"]
        assert summary[f"revenue_versus_{baseline}_1-6"] == pytest.approx(ratio - 1)
    assert best_baseline(summary, "revenue", "1-6") == "persistence"
    assert best_baseline({}, "revenue", "1-6") is None


def test_a_baseline_with_gaps_is_compared_on_the_rows_it_has() -> None:
    rows = predictions_of(targets=("revenue",))
    rows.loc[rows["studio_id"] < "s010", "persistence"] = math.nan
    both = rows[rows["studio_id"] >= "s010"]
    expected = wape(both, "ensemble") / wape(both, "persistence")
    summary = EvaluationReport.from_predictions(rows).summary
    assert summary["revenue_versus_persistence_1-12"] == pytest.approx(expected - 1)


def test_counts() -> None:
    rows = predictions_of(studios=5, origins=4, targets=("revenue",))
    rows.loc[rows["studio_id"] == "s004", "actual"] = math.nan
    rows.loc[3, "ensemble"] = math.nan
    summary = EvaluationReport.from_predictions(rows).summary
    counts = {name: value for name, value in summary.items() if name.startswith("n_")}
    assert counts == {"n_studios": 4, "n_origins": 4, "n_months": 15, "n_forecasts": 192, "n_missing": 1}
    assert not any(name.startswith("members") for name in summary)


def test_standard_error_sees_errors_that_studios_and_months_share() -> None:
    random = np.random.default_rng(1)
    studios, months = (code.ravel() for code in np.indices((30, 40)))
    ratios, errors = [], []
    for _ in range(300):
        common = random.normal(size=30)[studios] + random.normal(size=40)[months]
        above = common + random.normal(size=1200)
        ratio, error = ratio_standard_error(above, np.full(1200, 2.0), studios, months)
        ratios.append(ratio)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.15)
    assert np.mean(errors) > 4 * math.sqrt(3 / 1200) / 2  # four times that of independent rows


@pytest.mark.parametrize("below", [np.zeros(4), np.empty(0)])
def test_a_ratio_over_nothing_is_nan(below: np.ndarray) -> None:
    codes = np.zeros(len(below), np.int64)
    assert all(math.isnan(x) for x in ratio_standard_error(below, below, codes, codes))


def test_one_studio_has_the_error_of_its_months() -> None:
    above, months = np.array([1.0, 3.0]), np.array([0, 1])
    ratio, error = ratio_standard_error(above, np.ones(2), np.zeros(2, np.int64), months)
    assert ratio == 2.0
    assert error == pytest.approx(1.0)
    assert math.isnan(ratio_standard_error(above, np.ones(2), np.zeros(2, int), np.zeros(2, int))[1])


def knowing_levers(rows: pd.DataFrame) -> pd.DataFrame:
    """Knowing the levers halves the error of revenue; the first studio's levers are not known."""
    halved = (rows["ensemble"] + rows["actual"]) / 2
    known = (rows["target"] == "revenue") & (rows["studio_id"] != "s000")
    return rows.assign(levers_known=halved.where(known))


def test_both_errors_are_taken_on_the_rows_that_have_both() -> None:
    rows = knowing_levers(predictions_of(studios=6))
    table = levers_known_errors(rows).set_index("horizon")
    assert list(table.index) == [*map(str, range(1, 13)), "1-3", "1-6", "1-12"]
    both = rows[(rows["target"] == "revenue") & (rows["studio_id"] != "s000")]
    for label, part in (("5", both[both["horizon"] == 5]), ("1-12", both)):
        free = (part["ensemble"] - part["actual"]).abs().sum() / part["actual"].sum()
        assert table.loc[label, "n"] == len(part)
        assert table.loc[label, "levers_free"] == pytest.approx(free)
        assert table.loc[label, "levers_known"] == pytest.approx(free / 2)
    summary = EvaluationReport.from_predictions(rows).summary
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
