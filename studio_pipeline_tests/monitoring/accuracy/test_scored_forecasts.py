"""Which forecasts count, how they are summed, and that neither order nor repetition of the log matters."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.monitoring.accuracy.champion_challenger import role_differences
from studio_pipeline.monitoring.accuracy.logged_forecasts import AskedForecasts, asked_forecasts
from studio_pipeline.monitoring.accuracy.record import AccuracyRecord, coverage_cells, error_cells
from studio_pipeline.monitoring.accuracy.scored_forecasts import arrivals_of, judged
from studio_pipeline.monitoring.accuracy.tables import coverage_table, error_table
from studio_pipeline.monitoring.thresholds import AccuracyConfig
from studio_pipeline_tests.monitoring.accuracy_worlds import ASKED, Logged, logged, months_of

RULES = AccuracyConfig()
LATER = ASKED + timedelta(days=180)
ARRIVED = months_of({"a": [100.0] * 12 + [110.0, 125.0], "b": [50.0] * 13}, avg_ticket_price=80.0)


def asked(*batches: list[Logged], months: pd.DataFrame = ARRIVED) -> AskedForecasts:
    return asked_forecasts(batches, arrivals_of(months))


def found(*rows: Logged, months: pd.DataFrame = ARRIVED) -> pd.DataFrame:
    return judged(asked(list(rows), months=months).rows, arrivals_of(months), RULES)


def test_errors_are_those_of_the_months_that_have_arrived() -> None:
    rows = found(logged("a"), logged("b", (60.0, 60.0)))
    shown = rows[["studio_id", "horizon", "actual"]].to_numpy().tolist()
    assert shown == [["a", 1, 110.0], ["a", 2, 125.0], ["b", 1, 50.0]]
    (line,) = error_table(error_cells(rows, AccuracyRecord().promises), ["role"]).to_dict(orient="records")
    assert line["wape"] == pytest.approx((10 + 25 + 10) / 285)
    assert line["bias"] == pytest.approx((-10 - 25 + 10) / 285)
    assert (line["n"], line["months"]) == (3, 2)
    (held,) = coverage_table(coverage_cells(rows)).to_dict(orient="records")
    assert (held["level"], held["coverage"]) == (0.9, pytest.approx(2 / 3))


def test_what_was_known_when_it_was_made_is_no_forecast() -> None:
    late = asked([logged("a", made_at=LATER)])
    assert late.rows["horizon"].tolist() == [3]
    assert late.n_late == 2


def test_the_last_question_before_the_month_arrived_counts() -> None:
    asked_at = {100.0: ASKED, 105.0: ASKED + timedelta(days=3), 110.0: LATER}
    rows = found(*(logged("a", (revenue,), made_at=moment) for revenue, moment in asked_at.items()))
    assert rows["revenue"].tolist() == [105.0]


@pytest.mark.parametrize(
    ("price", "counts"), [(80.0, True), (83.9, True), (84.3, False), (76.2, True), (70.0, False)]
)
def test_given_levers_count_where_they_were_carried_out(price: float, counts: bool) -> None:
    rows = found(logged("a", levers={"avg_ticket_price": price}))
    assert rows["kind"].tolist() == ["carried_out"] * (2 if counts else 0)


def test_levers_of_which_nothing_is_known_are_not_judged() -> None:
    assert found(logged("a", levers={"upsell_rate": 0.2})).empty


def test_what_can_not_be_read_is_counted() -> None:
    broken = asked([logged("a")._replace(outputs="{"), logged("b")._replace(outputs="{}"), logged("a")])
    assert (broken.n_answers, broken.n_unreadable, len(broken.rows)) == (3, 2, 3)


QUESTIONS = st.builds(
    logged,
    st.sampled_from(["a", "b", "nobody"]),
    st.lists(st.sampled_from([90.0, 100.0, 120.0]), min_size=1, max_size=3).map(tuple),
    st.integers(0, 9).map(lambda days: ASKED + timedelta(days=days)),
    st.sampled_from([{}, {"avg_ticket_price": 80.0}, {"avg_ticket_price": 99.0}]),
    role=st.sampled_from(["champion", "challenger"]),
)


@settings(deadline=None, max_examples=30)
@given(st.lists(QUESTIONS, min_size=1, max_size=12), st.data())
def test_order_and_repetition_of_the_log_change_nothing(questions: list[Logged], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(questions))
    repeated = shuffled + data.draw(st.lists(st.sampled_from(questions), max_size=5))
    cut = data.draw(st.integers(0, len(repeated)))
    batches = [part for part in (repeated[:cut], repeated[cut:]) if part]
    pd.testing.assert_frame_equal(asked(questions).rows, asked(*batches).rows)


def arms(error: float, shift: float, how: str) -> pd.DataFrame:
    """Judged forecasts of 20 studios over 6 months, the challenger's errors `shift` times the champion's."""
    rng, lines = np.random.default_rng(4), []
    for studio in range(20):
        for month in range(6):
            off = error * (1 + rng.random()) * rng.choice([-1, 1])
            both = {"champion": off, "challenger": off * shift}
            roles = list(both) if how != "arms" else [list(both)[studio % 2]]
            for role in roles:
                source = "published" if how == "published" and role == "champion" else "asked"
                lines.append((source, role, f"s{studio:02}", month, 100 + both[role]))
    rows = pd.DataFrame(lines, columns=["source", "role", "studio_id", "month", "revenue"])
    base = pd.Timestamp("2024-01-01")
    rows = rows.assign(kind="free", actual=100.0, expected_by_naive=5.0, horizon=1, made_at=base)
    rows["model_version"] = np.where(rows["role"] == "champion", "1", "2")
    for name, ahead in (("base_month", 0), ("month_year", 1)):
        rows[name] = [base + pd.DateOffset(months=m + ahead) for m in rows["month"]]
    return rows


@pytest.mark.parametrize("how", ["shadow", "published", "arms"])
def test_a_better_challenger_is_seen_however_it_was_tried(how: str) -> None:
    (line,) = role_differences(arms(5.0, 0.8, how)).to_dict(orient="records")
    assert (line["how"], line["challenger"], line["champion"]) == (how, "2", "1")
    assert line["low"] <= -0.2 + 1e-9
    assert line["high"] >= -0.2 - 1e-9 if how != "arms" else line["high"] > line["difference"]
    if how != "arms":
        assert line["difference"] == pytest.approx(-0.2)
        assert line["high"] < 0
