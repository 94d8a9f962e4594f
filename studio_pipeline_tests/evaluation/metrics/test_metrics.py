"""Each metric against a slow, obvious twin, and what it promises for nothing, zeros and gaps."""

import math
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.evaluation.metrics.metrics import metric_table
from studio_pipeline.evaluation.metrics.prediction_table import CANDIDATES, SPANS
from studio_pipeline_tests.evaluation.conftest import predictions_of

NAN = float("nan")
ACTUAL = [100.0, 200.0, 0.0, 50.0]
PREDICTED = [104.0, 150.0, 1.0, 50.0]
NAMES = ("n", "rmse", "mae", "r2", "mape", "wape", "within_5_pct", "within_10_pct", "business_score")


def metrics_of(
    actual: Sequence[float],
    predicted: Sequence[float],
    horizon: Sequence[int] | int = 1,
    studio: Sequence[str] | str = "",
    **columns: Sequence[float],
) -> dict[str, float]:
    """The metrics of the ensemble over months 1-3, by default of a studio for each forecast of one month."""
    rows = pd.DataFrame({"actual": actual, "ensemble": predicted, "horizon": horizon, **columns})
    rows["studio_id"] = studio or [f"s{place}" for place in range(len(rows))]
    rows = rows.assign(target="revenue", base_month=pd.Timestamp("2024-01-01"))
    table = metric_table(rows)
    (found,) = table[(table["candidate"] == "ensemble") & (table["horizon"] == "1-3")].to_dict("records")
    return {str(name): value for name, value in found.items()}


def by_hand(rows: pd.DataFrame, candidate: str, horizon: str) -> dict[str, float]:
    """A row of the metric table in plain Python, forecast by forecast."""
    first, last = SPANS[horizon] if horizon in SPANS else (int(horizon), int(horizon))
    lines = {(r["studio_id"], r["base_month"], r["horizon"]): r for r in rows.to_dict("records")}
    names = ("along_path", "from_last", "mase", "share", "covered")
    of: dict[str, list[float]] = {name: [] for name in names}
    pairs, totals, widths = [], [], []
    for (studio, origin, months), line in lines.items():
        a, p, known = line["actual"], line[candidate], line["last_known"]
        if first <= months <= last and math.isfinite(a + line["lower_90"] + line["upper_90"]):
            widths.append((line["upper_90"] - line["lower_90"], abs(a)))
            of["covered"].append(line["lower_90"] <= a <= line["upper_90"])
        if not (first <= months <= last and math.isfinite(a + p)):
            continue
        pairs.append((a, p))
        before = {"actual": known, candidate: known} if months == 1 else {}
        before = before or lines.get((studio, origin, months - 1), {"actual": NAN, candidate: NAN})
        if before["actual"] != a and math.isfinite(before["actual"] + before[candidate]):
            of["along_path"].append(np.sign(p - before[candidate]) == np.sign(a - before["actual"]))
        if known != a and math.isfinite(known):
            of["from_last"].append(np.sign(p - known) == np.sign(a - known))
        of["mase"] += [abs(p - a) / line["scale"]] if line["scale"] > 0 else []
        of["share"] += [abs(p - a) / abs(a)] if a != 0 else []
        if months == 1:
            path = [lines.get((studio, origin, h), {}) for h in (1, 2, 3)]
            totals.append([sum(one.get(name, NAN) for one in path) for name in ("actual", candidate)])
    mean = {name: float(np.mean(values)) if values else NAN for name, values in of.items()}
    actual, predicted = np.array(pairs, dtype=float).reshape(-1, 2).T
    error, size, n = np.abs(predicted - actual), float(np.abs(actual).sum()), len(pairs)
    spread = float(((actual - actual.mean()) ** 2).sum()) if n else 0.0
    whole = [(abs(p - a), abs(a)) for a, p in totals if math.isfinite(a + p)]
    answer = {
        "n": n,
        "rmse": math.sqrt((error**2).mean()) if n else NAN,
        "mae": error.mean() if n else NAN,
        "r2": 1 - (error**2).sum() / spread if spread > 0 else NAN,
        "mape": mean["share"],
        "wape": error.sum() / size if size > 0 else NAN,
        "mase": mean["mase"],
        "direction_from_last": mean["from_last"],
        "direction_along_path": mean["along_path"],
        **{f"within_{k}_pct": (error <= k / 100 * np.abs(actual)).mean() if n else NAN for k in (5, 10)},
        "business_score": 100 - np.mean([100 * s * (2 if 100 * s > 10 else 1) for s in of["share"] or [NAN]]),
        "three_month_total_accuracy": NAN,
        "coverage_90": NAN,
        "width_90": NAN,
    }
    if horizon == "1-3" and sum(size for _, size in whole) > 0:
        answer["three_month_total_accuracy"] = 1 - sum(e for e, _ in whole) / sum(size for _, size in whole)
    if candidate == "ensemble" and widths:
        answer["coverage_90"] = mean["covered"]
        answer["width_90"] = sum(w for w, _ in widths) / sum(size for _, size in widths)
    return answer


def test_nothing_to_judge_and_zero_sums_are_nan_and_never_a_perfect_score() -> None:
    nothing, zeros = metrics_of([NAN, NAN], [1.0, 1.0]), metrics_of([0.0] * 3, [1.0] * 3)
    assert all(math.isnan(nothing[name]) for name in NAMES if name != "n")
    assert all(math.isnan(zeros[name]) for name in ("mape", "wape", "r2", "business_score"))
    assert math.isnan(metrics_of([0.1] * 3, [0.1, 0.2, 0.3])["r2"])


VALUES = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-3) | st.just(NAN)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_any_values_have_the_metrics_of_the_slow_twin(pairs: list[tuple[float, float]]) -> None:
    actual, predicted = np.array(pairs).T
    known = actual[np.isfinite(actual + predicted)]
    found = metrics_of(actual.tolist(), predicted.tolist())
    rows = pd.DataFrame({"actual": actual, "ensemble": predicted, "studio_id": range(len(pairs))})
    rows = rows.assign(base_month=0, horizon=1, last_known=NAN, scale=NAN, lower_90=NAN, upper_90=NAN)
    twin = by_hand(rows, "ensemble", "1")
    # The share of a spread that is tiny beside the values themselves is lost in rounding.
    spreads = bool(known.size) and np.ptp(known) > 1e-2 * max(1.0, np.abs(known).max())
    names = [name for name in NAMES if name != "r2" or spreads]
    assert {n: found[n] for n in names} == pytest.approx({n: twin[n] for n in names}, rel=1e-9, nan_ok=True)


def test_what_can_not_be_judged_is_nan() -> None:
    """Scales of zero, months that do not move, totals and bounds of nothing."""
    path = {"horizon": [1, 2, 3], "studio": "a"}
    for name, found in (
        ("mase", metrics_of(ACTUAL, PREDICTED, scale=[0.0] * 4)),
        ("direction_from_last", metrics_of(ACTUAL, PREDICTED, last_known=ACTUAL)),
        ("direction_along_path", metrics_of(ACTUAL, PREDICTED, last_known=ACTUAL)),
        ("three_month_total_accuracy", metrics_of([0.0] * 3, [1.0] * 3, **path)),
        ("coverage_90", metrics_of([NAN], [1.0], lower_90=[0.0], upper_90=[1.0])),
        ("width_90", metrics_of([0.0], [1.0], lower_90=[0.0], upper_90=[1.0])),
    ):
        assert math.isnan(found[name]), name
    assert metrics_of(ACTUAL, PREDICTED, scale=[2.0, 10.0, 0.0, NAN])["mase"] == (4 / 2 + 50 / 10) / 2


def test_every_cell_of_the_table_is_the_slow_twin_s() -> None:
    rows = predictions_of(studios=4, origins=3)
    random = np.random.default_rng(5)
    for name in ("actual", "ensemble", "seasonal_naive", "lower_90", "last_known"):
        rows.loc[random.random(len(rows)) < 0.05, name] = NAN
    rows.loc[random.random(len(rows)) < 0.03, "actual"] = 0.0
    rows.loc[rows["target"] == "retention", "lightgbm"] = NAN
    rows = rows[random.random(len(rows)) > 0.03].sample(frac=1, random_state=1)
    table = metric_table(rows)
    assert len(table) == 3 * 15 * 8
    for row in table.to_dict("records"):
        expected = by_hand(rows[rows["target"] == row["target"]], row["candidate"], row["horizon"])
        assert {n: row[n] for n in expected} == pytest.approx(expected, rel=1e-9, nan_ok=True), row


def test_the_table_of_a_big_backtest_takes_under_three_seconds_of_a_core() -> None:
    rows = predictions_of(studios=300, origins=24)
    start = time.process_time()
    table = metric_table(rows)
    assert time.process_time() - start < 3
    assert len(rows) == 259_200
    ensemble = table[(table["candidate"] == "ensemble") & (table["target"] == "revenue")].set_index("horizon")
    assert ensemble.loc["1-12", "coverage_90"] == pytest.approx(0.9, abs=0.01)
    assert list(table["candidate"].unique()) == list(CANDIDATES)
