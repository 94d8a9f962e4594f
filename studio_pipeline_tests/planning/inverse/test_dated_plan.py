"""Plans on the calendar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.explanation import dated_plan, first_month
from studio_pipeline.planning.inverse.queries import PlanQuery
from studio_pipeline.planning.levers import NEW, RETENTION, TICKET
from studio_pipeline_tests.planning.fixtures import lifted, plan, setup_of, studio

WEEKS = dict.fromkeys(
    (
        "retention_rate",
        "avg_ticket_price",
        "class_attendance_rate",
        "new_members_monthly",
        "staff_utilization_rate",
        "upsell_rate",
        "total_classes_held",
    ),
    0.0,
)


@pytest.mark.parametrize(
    ("weeks", "month"), [(0, 1), (0.1, 2), (4, 2), (4.34, 2), (4.4, 3), (8, 3), (52, 13)]
)
def test_a_change_holds_from_the_month_after_its_lead_time(weeks: float, month: int) -> None:
    assert first_month(weeks) == month


def made(months: int = 6):
    """A setup, and a plan that raises the price with effort for retention."""
    setup = setup_of(PlanQuery(studio(0), 1e5, target_months=months))
    goal = setup.problem.present.copy()
    goal[TICKET] += 15.0
    x = goal[:, None]
    goal[RETENTION] = setup.problem.responses.retention_rate(x)[0] + 0.01
    goal[NEW] = np.floor(setup.problem.responses.new_members(x)[0])
    return setup, goal


def test_members_respond_when_the_price_changes_and_effort_shows_when_it_is_ready() -> None:
    setup, goal = made()
    assert goal[NEW] < setup.problem.present[NEW]
    dated = dated_plan(setup, goal, {**WEEKS, "avg_ticket_price": 4.0, "retention_rate": 8.0})
    first, second = dated.steps
    assert (first.from_month, second.from_month) == (2, 3)
    assert first.levers["avg_ticket_price"] == goal[TICKET]
    assert first.levers["new_members_monthly"] == goal[NEW]
    assert first.levers["retention_rate"] == pytest.approx(goal[RETENTION] - 0.01)
    assert second.levers == {"retention_rate": goal[RETENTION]}
    assert dated.too_late == {}


def test_effort_before_the_price_raises_retention_first_but_never_above_the_plan() -> None:
    setup, goal = made()
    assert setup.problem.present[RETENTION] < goal[RETENTION] < setup.problem.present[RETENTION] + 0.01
    dated = dated_plan(setup, goal, {**WEEKS, "avg_ticket_price": 8.0})
    first, second = dated.steps
    assert (first.from_month, second.from_month) == (1, 3)
    assert first.levers == {"retention_rate": goal[RETENTION]}
    assert second.levers == {"avg_ticket_price": goal[TICKET], "new_members_monthly": goal[NEW]}


def test_what_comes_after_the_target_is_left_out_and_said() -> None:
    setup, goal = made(months=2)
    dated = dated_plan(setup, goal, {**WEEKS, "avg_ticket_price": 8.0})
    assert [step.from_month for step in dated.steps] == [1]
    assert dated.too_late == {"avg_ticket_price": 3}


def test_at_once_it_is_the_plan_itself() -> None:
    setup, goal = made()
    (step,) = dated_plan(setup, goal, WEEKS).steps
    assert step.from_month == 1
    assert step.levers["retention_rate"] == goal[RETENTION]
    at_once = PlanningConfig.model_validate({"lead_time_weeks": WEEKS, "most_alternatives": 0})
    query = lifted(PlanQuery(studio(0), 1.0, target_months=3), 1.04)
    answer = plan(query, configuration=at_once)
    assert answer.dated_revenue == answer.achievable_revenue


def test_a_dated_plan_that_misses_says_so() -> None:
    query = lifted(PlanQuery(studio(0), 1.0, target_months=2), 1.04)
    late = PlanningConfig.model_validate(
        {"lead_time_weeks": dict.fromkeys(WEEKS, 20.0), "most_alternatives": 0}
    )
    answer = plan(replace(query), configuration=late)
    assert answer.feasible
    assert answer.lever_plan == ()
    assert answer.dated_revenue == answer.present_revenue
    assert "misses" in answer.warnings[0]
    assert "after the target's month 2" in answer.warnings[1]
