"""Each metric against known values, a slow obvious twin, and what it promises for nothing, zeros and gaps."""

import math
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.evaluation.metrics import metrics
from studio_pipeline.evaluation.metrics.prediction_table import CANDIDATES, SPANS

MakePredictions = Callable[..., pd.DataFrame]
NAN = float("nan")
ACTUAL = np.array([100.0, 200.0, 0.0, 50.0])
PREDICTED = np.array([104.0, 150.0, 1.0, 50.0])
Metric = Callable[[np.ndarray, np.ndarray], float]
POINT_METRICS: dict[str, Metric] = {
    "rmse": metrics.rmse,
    "mae": metrics.mae,
    "r2": metrics.r2,
    "mape": metrics.mape,
    "wape": metrics.wape,
    "within_5_pct": lambda a, p: metrics.within(a, p, 0.05),
    "within_10_pct": lambda a, p: metrics.within(a, p, 0.10),
    "business_score": metrics.business_score,
}
KNOWN = {
    "rmse": math.sqrt((16 + 2500 + 1 + 0) / 4),
    "mae": 55 / 4,
    "r2": 1 - 2517 / (12.5**2 + 112.5**2 + 87.5**2 + 37.5**2),
    "mape": (0.04 + 0.25 + 0) / 3,
    "wape": 55 / 350,
    "within_5_pct": 2 / 4,
    "within_10_pct": 2 / 4,
    "business_score": 100 - (4 + 2 * 25 + 0) / 3,
}


def slow(name: str, actual: np.ndarray, predicted: np.ndarray) -> float:
    """The same metrics in plain Python, row by row."""
    pairs = [(a, p) for a, p in zip(actual, predicted, strict=True) if math.isfinite(a) and math.isfinite(p)]
    shares = [abs(p - a) / abs(a) for a, p in pairs if a != 0]
    centre = sum(a for a, _ in pairs) / len(pairs) if pairs else NAN
    sums = {
        "rmse": (sum((p - a) ** 2 for a, p in pairs), len(pairs)),
        "mae": (sum(abs(p - a) for a, p in pairs), len(pairs)),
        "r2": (sum((p - a) ** 2 for a, p in pairs), sum((a - centre) ** 2 for a, _ in pairs)),
        "mape": (sum(shares), len(shares)),
        "wape": (sum(abs(p - a) for a, p in pairs), sum(abs(a) for a, _ in pairs)),
        "within_5_pct": (sum(abs(p - a) <= 0.05 * abs(a) for a, p in pairs), len(pairs)),
        "within_10_pct": (sum(abs(p - a) <= 0.10 * abs(a) for a, p in pairs), len(pairs)),
        "business_score": (sum(100 * s * (2 if 100 * s > 10 else 1) for s in shares), len(shares)),
    }
    above, below = sums[name]
    ratio = above / below if below > 0 else NAN
    return {"rmse": ratio**0.5, "r2": 1 - ratio, "business_score": 100 - ratio}.get(name, ratio)


@pytest.mark.parametrize("name", POINT_METRICS)
def test_known_values(name: str) -> None:
    assert POINT_METRICS[name](ACTUAL, PREDICTED) == pytest.approx(KNOWN[name], rel=1e-12)


@pytest.mark.parametrize("name", POINT_METRICS)
def test_a_row_with_a_gap_changes_nothing(name: str) -> None:
    actual, predicted = np.append(ACTUAL, [NAN, 7.0]), np.append(PREDICTED, [3.0, NAN])
    assert POINT_METRICS[name](actual, predicted) == pytest.approx(KNOWN[name], rel=1e-12)


@pytest.mark.parametrize("name", POINT_METRICS)
@pytest.mark.parametrize("actual", [[], [NAN, NAN]])
def test_nothing_to_judge_is_nan_and_never_a_perfect_score(name: str, actual: list[float]) -> None:
    values = np.array(actual)
    assert math.isnan(POINT_METRICS[name](values, np.ones_like(values)))


@pytest.mark.parametrize("name", ["mape", "wape", "r2", "business_score"])
def test_zero_sums_are_nan(name: str) -> None:
    assert math.isnan(POINT_METRICS[name](np.zeros(3), np.ones(3)))


def test_a_constant_actual_has_no_r2() -> None:
    assert math.isnan(metrics.r2(np.full(3, 0.1), np.array([0.1, 0.2, 0.3])))


VALUES = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-3) | st.just(NAN)


@given(st.lists(st.tuples(VALUES, VALUES), max_size=30))
def test_the_fast_metrics_equal_their_slow_twins(pairs: list[tuple[float, float]]) -> None:
    actual, predicted = np.array(pairs, dtype=float).reshape(-1, 2).T
    spread = np.ptp(actual[np.isfinite(actual + predicted)]) if np.isfinite(actual + predicted).any() else 0
    for name, metric in POINT_METRICS.items():
        if name != "r2" or spread > 1e-2:
            twin = slow(name, actual, predicted)
            assert metric(actual, predicted) == pytest.approx(twin, rel=1e-9, nan_ok=True)


def test_mase_leaves_out_a_scale_of_zero() -> None:
    scale = np.array([2.0, 10.0, 0.0, NAN])
    assert metrics.mase(ACTUAL, PREDICTED, scale) == pytest.approx((4 / 2 + 50 / 10) / 2)
    assert math.isnan(metrics.mase(ACTUAL, PREDICTED, np.zeros(4)))


def test_direction_from_last_known_month() -> None:
    last = np.array([100.0, 100.0, 100.0, 100.0, NAN])
    actual = np.array(
        [110.0, 90.0, 110.0, 100.0, 110.0]
    )  # the fourth doesn't move, the fifth can't be judged
    predicted = np.array([101.0, 120.0, 100.0, 130.0, 110.0])
    assert metrics.direction_from_last(actual, predicted, last) == pytest.approx(1 / 3)
    assert metrics.direction_from_last(actual[:3], last[:3], last[:3]) == 0.0
    assert math.isnan(metrics.direction_from_last(last, predicted, last))


def test_direction_along_the_path_compares_moves_not_levels() -> None:
    actual, before = np.array([110.0, 105.0]), np.array([100.0, 110.0])
    predicted, predicted_before = np.array([300.0, 301.0]), np.array([290.0, 300.0])
    assert metrics.direction_along_path(actual, predicted, before, predicted_before) == 0.5


def test_three_month_totals_let_errors_cancel() -> None:
    actual = np.array([[100.0, 100.0, 100.0], [10.0, NAN, 10.0]])
    predicted = np.array([[90.0, 110.0, 115.0], [1.0, 1.0, 1.0]])
    assert metrics.three_month_total_accuracy(actual, predicted) == pytest.approx(1 - 15 / 300)
    assert math.isnan(metrics.three_month_total_accuracy(np.empty((0, 3)), np.empty((0, 3))))
    assert math.isnan(metrics.three_month_total_accuracy(np.zeros((2, 3)), np.ones((2, 3))))


def test_coverage_and_width() -> None:
    actual, lower, upper = np.array(
        [[10.0, 20.0, 30.0, NAN], [10.0, 21.0, 0.0, 0.0], [12.0, 25.0, 29.0, 1.0]]
    )
    assert metrics.coverage(actual, lower, upper) == pytest.approx(1 / 3)
    assert metrics.relative_width(actual, lower, upper) == pytest.approx((2 + 4 + 29) / 60)
    assert math.isnan(metrics.coverage(actual[3:], lower[3:], upper[3:]))
    assert math.isnan(metrics.relative_width(np.zeros(2), np.zeros(2), np.ones(2)))


def table_by_the_pure_functions(rows: pd.DataFrame, candidate: str, horizon: str) -> dict[str, float]:
    """One row of the metric table from the functions above, cell by cell."""
    first, last = SPANS.get(horizon, (int(horizon), int(horizon)) if "-" not in horizon else (0, 0))
    rows = rows.assign(predicted=rows[candidate]).sort_values("horizon")
    before = rows[["studio_id", "base_month", "horizon", "actual", "predicted"]].assign(
        horizon=lambda r: r["horizon"] + 1
    )
    rows = rows.merge(before, on=["studio_id", "base_month", "horizon"], how="left", suffixes=("", "_before"))
    for name in ("actual", "predicted"):
        rows[f"{name}_before"] = rows[f"{name}_before"].where(rows["horizon"] > 1, rows["last_known"])
    rows = rows[rows["horizon"].between(first, last)]
    values = {name: rows[name].to_numpy() for name in rows}
    actual, predicted = values["actual"], values["predicted"]
    answer = {name: metric(actual, predicted) for name, metric in POINT_METRICS.items()}
    answer["n"] = int(np.isfinite(actual + predicted).sum())
    answer["mase"] = metrics.mase(actual, predicted, values["scale"])
    answer["direction_from_last"] = metrics.direction_from_last(actual, predicted, values["last_known"])
    answer["direction_along_path"] = metrics.direction_along_path(
        actual, predicted, values["actual_before"], values["predicted_before"]
    )
    answer["three_month_total_accuracy"] = answer["coverage_90"] = answer["width_90"] = NAN
    if horizon == "1-3":
        wide = [
            rows.pivot(index=["studio_id", "base_month"], columns="horizon", values=v)
            for v in ("actual", "predicted")
        ]
        answer["three_month_total_accuracy"] = metrics.three_month_total_accuracy(
            *(w.to_numpy() for w in wide)
        )
    if candidate == "ensemble":
        interval = actual, values["lower_90"], values["upper_90"]
        answer["coverage_90"], answer["width_90"] = (
            metrics.coverage(*interval),
            metrics.relative_width(*interval),
        )
    return answer


def test_the_table_equals_the_pure_functions_cell_by_cell(make_predictions: MakePredictions) -> None:
    rows = make_predictions(studios=4, origins=3)
    random = np.random.default_rng(5)
    for name in ("actual", "ensemble", "seasonal_naive", "lower_90", "last_known"):
        rows.loc[random.random(len(rows)) < 0.05, name] = NAN
    rows.loc[random.random(len(rows)) < 0.03, "actual"] = 0.0
    rows.loc[rows["target"] == "retention", "lightgbm"] = NAN
    rows = rows[random.random(len(rows)) > 0.03].sample(frac=1, random_state=1)
    table = metrics.metric_table(rows)
    assert len(table) == 3 * 15 * 8
    for row in table.to_dict("records"):
        expected = table_by_the_pure_functions(
            rows[rows["target"] == row["target"]], row["candidate"], row["horizon"]
        )
        got = {name: row[name] for name in expected}
        assert got == pytest.approx(expected, rel=1e-9, nan_ok=True), row


def test_the_table_of_no_rows_is_empty(make_predictions: MakePredictions) -> None:
    assert metrics.metric_table(make_predictions(studios=1, origins=1).iloc[:0]).empty


def test_the_table_of_a_big_backtest_takes_under_three_seconds(make_predictions: MakePredictions) -> None:
    rows = make_predictions(studios=300, origins=24)
    start = time.perf_counter()
    table = metrics.metric_table(rows)
    assert time.perf_counter() - start < 3
    assert len(rows) == 259_200
    ensemble = table[(table["candidate"] == "ensemble") & (table["target"] == "revenue")].set_index("horizon")
    assert ensemble.loc["1-12", "coverage_90"] == pytest.approx(0.9, abs=0.01)
    assert list(table["candidate"].unique()) == list(CANDIDATES)
