"""Questions that can't be answered as put, and studios without history."""

import re
from typing import Any

import numpy as np
import pytest

from studio_pipeline.errors import BaseMonthError, LeverError, QueryError, UnknownStudioError
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline_tests.forecasting.fleets import ALL_EIGHT, answered


def name_of(forecaster: Forecaster, row: int) -> str:
    return str(forecaster.panel.studio_ids[row])


def refusal(forecaster: Forecaster, query: ForwardQuery) -> QueryError:
    (answer,) = forecaster.forecast([query])
    assert isinstance(answer, QueryError), answer
    assert answer.remedy
    return answer


def test_an_unknown_studio_is_told_what_it_needs(forecaster: Forecaster) -> None:
    some = {k: v for k, v in ALL_EIGHT.items() if k != "upsell_rate"}
    error = refusal(forecaster, ForwardQuery("nowhere", levers=some))
    assert isinstance(error, UnknownStudioError)
    assert "'nowhere'" in error.what
    assert "all eight levers" in error.what
    assert "upsell_rate" in error.remedy
    assert "GET /api/v1/studios" in error.remedy


def test_a_base_month_in_a_gap_or_past_the_end_names_the_months_there_are(forecaster: Forecaster) -> None:
    months = forecaster.panel.months
    for month in (months[12], months[30], months[-1] + 1, months[0] - 1):
        error = refusal(forecaster, ForwardQuery(name_of(forecaster, 1), month))
        assert isinstance(error, BaseMonthError)
        assert f"{month}-01" in error.what
        assert f"{months[0]}-01 to {months[11]}-01" in error.remedy
        assert f"{months[31]}-01 to {months[-1]}-01" in error.remedy
    ended = refusal(forecaster, ForwardQuery(name_of(forecaster, 3), months[-1]))
    assert f"to {months[-5]}-01" in ended.remedy


@pytest.mark.parametrize(
    "lever", ["retention_rate", "avg_ticket_price", "new_members_monthly", "upsell_rate"]
)
def test_a_lever_that_the_data_do_not_carry_is_refused(forecaster: Forecaster, lever: str) -> None:
    for query in (
        ForwardQuery(name_of(forecaster, 6), levers={lever: ALL_EIGHT[lever]}),
        ForwardQuery(name_of(forecaster, 6), lever_plan=(LeverStep(2, {lever: ALL_EIGHT[lever]}),)),
    ):
        error = refusal(forecaster, query)
        assert isinstance(error, LeverError)
        assert lever in error.what
        assert "total_members" in error.what
        assert "free" in error.remedy


def test_a_studio_without_classes_carries_no_class_levers_but_the_others(forecaster: Forecaster) -> None:
    name = name_of(forecaster, 4)
    for lever in ("class_attendance_rate", "total_classes_held"):
        assert lever in refusal(forecaster, ForwardQuery(name, levers={lever: ALL_EIGHT[lever]})).what
    answered(forecaster, [ForwardQuery(name, levers={"retention_rate": 0.9, "upsell_rate": 0.2})])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"lever_plan": (LeverStep(4, {"upsell_rate": 0.2}),)}, r"lever_plan\[0\].* 1 to 3"),
        ({"lever_plan": (LeverStep(2, {"current_member_count": 200.0}),)}, "current_member_count"),
        ({"levers": {"avg_ticket_price": 99_999.0}}, "avg_ticket_price is 99999"),
        ({"levers": {"current_member_count": 1e308}}, "from 50 to 10000000"),
    ],
)
def test_plans_and_bounds_are_refused_with_their_place(
    forecaster: Forecaster, asked: dict[str, Any], said: str
) -> None:
    assert re.search(said, refusal(forecaster, ForwardQuery(name_of(forecaster, 0), **asked)).what)


def test_the_largest_start_is_answered(forecaster: Forecaster) -> None:
    query = ForwardQuery(name_of(forecaster, 0), levers={"current_member_count": 1e7})
    assert np.isfinite(answered(forecaster, [query])[0].revenue).all()


def test_a_studio_s_own_present_is_never_refused(forecaster: Forecaster) -> None:
    panel = forecaster.panel
    for row in (0, 1, 2, 3):
        column = int(panel.last_months[row])
        levers = {
            "retention_rate": float(panel.values["retention_rate"][row, column]),
            "avg_ticket_price": float(panel.values["avg_ticket_price"][row, column]),
            "current_member_count": float(panel.values["total_members"][row, column]),
        }
        answered(forecaster, [ForwardQuery(name_of(forecaster, row), levers=levers)])


def test_a_refusal_leaves_the_other_answers_in_their_places(forecaster: Forecaster) -> None:
    good = ForwardQuery(name_of(forecaster, 0))
    answers = forecaster.forecast(
        [good, ForwardQuery("nowhere"), good, ForwardQuery("new", levers=ALL_EIGHT)]
    )
    assert isinstance(answers[1], UnknownStudioError)
    kept = [a for a in answers if not isinstance(a, QueryError)]
    assert [a.studio_id for a in kept] == [good.studio_id, good.studio_id, "new"]


@pytest.mark.parametrize("studio_type", [None, "Yoga", "Juggling"])
def test_a_new_studio_answers_without_history(forecaster: Forecaster, studio_type: str | None) -> None:
    query = ForwardQuery("new", projection_months=12, levers=ALL_EIGHT, studio_type=studio_type)
    (answer,) = answered(forecaster, [query])
    assert answer.history_months == 0
    assert "no history" in answer.warnings[0]
    members = 250.0
    for h in range(12):
        members = members * 0.93 + 25
        assert answer.member_count[h] == pytest.approx(members)
    assert (answer.retention_rate == 0.93).all()
    assert (answer.revenue >= 0.8 * answer.member_count * 130).all()
    assert (answer.revenue <= 2.0 * answer.member_count * 130).all()
    low, high = answer.intervals[0.9].T
    assert (low < answer.revenue).all()
    assert (answer.revenue < high).all()


def test_a_new_studio_starts_within_a_year_of_the_panel_s_months(forecaster: Forecaster) -> None:
    months = forecaster.panel.months
    near = [ForwardQuery("new", month, levers=ALL_EIGHT) for month in (months[0] - 12, months[-1] + 12)]
    assert [a.base_month for a in answered(forecaster, near)] == [q.base_month for q in near]
    for month in (months[0] - 13, months[-1] + 13, np.datetime64("9999-12"), np.datetime64("0001-01")):
        error = refusal(forecaster, ForwardQuery("new", month, levers=ALL_EIGHT))
        assert isinstance(error, BaseMonthError)
        assert f"{month}-01" in error.what
        assert f"{months[0]}-01 to {months[-1]}-01" in error.remedy


def test_a_new_studio_s_band_is_wider_than_a_known_one_s(forecaster: Forecaster) -> None:
    new, known = answered(
        forecaster, [ForwardQuery("new", levers=ALL_EIGHT), ForwardQuery(name_of(forecaster, 0))]
    )
    width = [np.diff(a.intervals[0.9], axis=1)[:, 0] / a.revenue for a in (new, known)]
    assert (width[0] > width[1]).all()


def test_warnings_say_when_an_answer_leaves_the_data(forecaster: Forecaster) -> None:
    highest = float(np.nanmax(forecaster.panel.values["avg_ticket_price"][0]))
    inside, outside = answered(
        forecaster,
        [
            ForwardQuery(name_of(forecaster, 0), levers={"avg_ticket_price": price})
            for price in (highest, 1.5 * highest)
        ],
    )
    assert not any("outside" in w for w in inside.warnings)
    assert any("avg_ticket_price" in w and "outside" in w for w in outside.warnings)
    early = ForwardQuery(name_of(forecaster, 0), forecaster.panel.months[4])
    assert any("Only 5 months" in w for w in answered(forecaster, [early])[0].warnings)
