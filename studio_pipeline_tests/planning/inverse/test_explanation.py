"""What a plan says of itself: shares of the gain, how bold its changes are, and when each of them holds."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.attribution import shapley_split
from studio_pipeline.planning.inverse.explanation import (
    dated_plan,
    feasibility_score,
    first_month,
    past_changes,
)
from studio_pipeline.planning.inverse.queries import PlanQuery
from studio_pipeline.planning.levers import NEW, RETENTION, TICKET
from studio_pipeline_tests.planning.fixtures import lifted, plan, setup_of, studio


def bent(x: np.ndarray) -> np.ndarray:
    return x[0] * x[1] + x[2] ** 2 * x[3] + 3 * x[4] - x[5] * x[0] + x[6]


def by_all_orders(present: np.ndarray, plan: np.ndarray) -> dict[int, float]:
    changed = [k for k in range(7) if plan[k] != present[k]]
    shares = dict.fromkeys(changed, 0.0)
    orders = list(permutations(changed))
    for order in orders:
        now = present.copy()
        for place in order:
            before = bent(now[:, None])[0]
            now[place] = plan[place]
            shares[place] += (bent(now[:, None])[0] - before) / len(orders)
    return shares


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=7, max_size=7), st.lists(st.floats(0, 5), min_size=7, max_size=7))
def test_it_is_the_mean_over_all_orders_and_adds_up(one: list[float], other: list[float]) -> None:
    present, plan = np.array(one), np.array(other)
    plan[5:] = present[5:]
    shares = shapley_split(present, plan, bent)
    assert shares == pytest.approx(by_all_orders(present, plan), abs=1e-9)
    gain = bent(plan[:, None])[0] - bent(present[:, None])[0]
    assert sum(shares.values()) == pytest.approx(gain, abs=1e-9)


def test_a_lever_that_changes_nothing_gets_nothing_and_no_change_has_no_shares() -> None:
    present = np.ones(7)
    assert shapley_split(present, present, bent) == {}
    plan = present.copy()
    plan[[4, 6]] = 2.0
    assert shapley_split(present, plan, lambda x: 3 * x[4]) == {4: 3.0, 6: 0.0}


CHANGES = np.array([0.01, 0.02, 0.03, 0.04, 0.2, -0.05, -0.06])


@pytest.mark.parametrize(
    ("change", "limit", "score"),
    [
        (0.05, 0.05, 0.0),
        (0.06, 0.05, 0.0),
        (0.0351, 0.05, (2 / 5 - 1 / 5) / (4 / 5)),
        (0.005, 0.05, 1.0),
        (-0.055, -0.1, 0.5),
        (-0.01, -0.02, 0.5),
    ],
)
def test_the_share_of_studios_that_went_as_far(change: float, limit: float, score: float) -> None:
    assert feasibility_score(CHANGES, change, limit) == pytest.approx(score)


def test_where_nobody_moved_it_falls_evenly() -> None:
    assert feasibility_score(np.zeros(0), 1.0, 4.0) == 0.75


@given(st.floats(0.001, 0.3), st.floats(0.001, 0.3), st.floats(0.001, 0.3))
def test_further_is_never_more_ordinary(one: float, other: float, limit: float) -> None:
    near, far = sorted((one, other))
    scores = [feasibility_score(CHANGES, change, limit) for change in (near, far)]
    assert 1 >= scores[0] >= scores[1] >= 0


def test_changes_are_of_three_month_means_up_to_the_base_month() -> None:
    prices = np.array([[100.0, 100, 100, 110, 110, 110, 500], [50, 50, 50, np.nan, 50, 50, 50]])
    rates = prices / 1000
    values = {"total_revenue": prices, "avg_ticket_price": prices, "retention_rate": rates}
    panel = StudioPanel(np.array(["a", "b"]), np.array(["", ""]), np.datetime64("2024-01", "M"), values)
    np.testing.assert_allclose(past_changes(panel, 5, TICKET, 3), [0.1])
    np.testing.assert_allclose(past_changes(panel, 5, RETENTION, 3), [0.01])
    assert past_changes(panel, 5, TICKET, 4).size == 0


WEEKS = dict.fromkeys(HELD_LEVERS, 0.0)


@pytest.mark.parametrize(("weeks", "month"), [(0, 1), (0.1, 2), (4.34, 2), (4.4, 3), (8, 3), (52, 13)])
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
    long = dict.fromkeys(WEEKS, 20.0)
    slow = PlanningConfig.model_validate({"lead_time_weeks": long, "most_alternatives": 0})
    answer = plan(query, configuration=slow)
    assert answer.feasible
    assert answer.lever_plan == ()
    assert answer.dated_revenue == answer.present_revenue
    assert "misses" in answer.warnings[0]
    assert "after the target's month 2" in answer.warnings[1]
