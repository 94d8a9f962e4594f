"""Coverage at every level and of totals, against sums taken path by path."""

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.metrics.metrics import EvaluationReport, metric_table
from studio_pipeline.evaluation.metrics.schemas import METRICS, PREDICTIONS
from studio_pipeline_tests.evaluation.conftest import predictions_of

KINDS = {"50": 0.6745, "80": 1.2816}


def with_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """The backtest with narrower intervals inside its 90 % ones, and with intervals of totals."""
    half = rows["upper_90"] - rows["ensemble"]
    for kind, z in KINDS.items():
        rows[f"lower_{kind}"] = rows["ensemble"] - z / 1.6449 * half
        rows[f"upper_{kind}"] = rows["ensemble"] + z / 1.6449 * half
    total = rows.groupby(["target", "studio_id", "base_month"])["ensemble"].cumsum()
    return rows.assign(lower_total_90=0.995 * total, upper_total_90=1.02 * total)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return with_intervals(predictions_of(studios=12, origins=5))


def test_the_columns_may_be_there_and_are_checked(rows: pd.DataFrame) -> None:
    PREDICTIONS.validate(rows, lazy=True)
    wrong = rows.assign(lower_80=rows["upper_80"] + 1)
    with pytest.raises(Exception, match="lower_80 > upper_80"):
        PREDICTIONS.validate(wrong, lazy=True)


def test_coverage_at_every_level_is_the_plain_share(rows: pd.DataFrame) -> None:
    table = metric_table(rows).set_index(["target", "horizon", "candidate"])
    METRICS.validate(table.reset_index()[list(METRICS.columns)], lazy=True)
    for label, part in (("2", rows["horizon"] == 2), ("1-6", rows["horizon"] <= 6)):
        chosen = rows[part & (rows["target"] == "revenue")]
        for kind in ("50", "80", "90"):
            inside = chosen["actual"].between(chosen[f"lower_{kind}"], chosen[f"upper_{kind}"])
            assert table.loc[("revenue", label, "ensemble"), f"coverage_{kind}"] == inside.mean()
    covered = table.loc[("revenue", "1-12", "ensemble"), ["coverage_50", "coverage_80", "coverage_90"]]
    assert covered.is_monotonic_increasing
    assert table.loc[("revenue", "1-12", "core"), "coverage_50"] != covered["coverage_50"]


@pytest.mark.parametrize(("label", "months"), [("1", 1), ("7", 7), ("1-3", 3), ("1-12", 12)])
def test_coverage_of_totals_is_that_of_whole_paths(rows: pd.DataFrame, label: str, months: int) -> None:
    damaged = rows.copy()
    gap = (damaged["studio_id"] == "s003") & (damaged["horizon"] == 2) & (damaged["target"] == "revenue")
    damaged.loc[gap, "actual"] = np.nan
    hits = []
    revenue = damaged[damaged["target"] == "revenue"].set_index("horizon")
    for (studio, _), path in revenue.groupby(["studio_id", "base_month"]):
        total = path.loc[1:months, "actual"].sum(skipna=False)
        assert np.isnan(total) == (studio == "s003" and months >= 2)
        if np.isfinite(total):
            hits.append(path["lower_total_90"][months] <= total <= path["upper_total_90"][months])
    table = metric_table(damaged.sample(frac=1, random_state=1)).set_index(["target", "horizon", "candidate"])
    assert 0 < np.mean(hits) < 1
    assert table.loc[("revenue", label, "ensemble"), "coverage_total"] == pytest.approx(np.mean(hits))


def test_the_summary_has_them_and_without_the_columns_they_are_unknown(rows, report) -> None:
    summary = EvaluationReport.from_predictions(rows).summary
    names = [f"revenue_coverage_{kind}_1-12" for kind in ("50", "80", "90", "total")]
    assert all(0 < summary[name] < 1 for name in names)
    known = {name: np.isfinite(report.summary[name]) for name in names}
    assert known == dict.fromkeys(names, False) | {"revenue_coverage_90_1-12": True}
