"""Limits of rooms, staff and members, without contradictions; the proof of a plan, and its chances."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.errors import PlanError
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.warnings import conflicts
from studio_pipeline.planning.inverse.queries import PlanQuery
from studio_pipeline.planning.inverse.verification import CHANCE_LEVELS, chance_of, check_limits
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET
from studio_pipeline_tests.forecasting.fleets import answered
from studio_pipeline_tests.planning.fixtures import forecaster, lifted, plan, setup_of, studio

WIDE = dict.fromkeys(
    ("max_ticket_increase", "max_new_members_increase", "max_retention_increase", "max_attendance_increase"),
    None,
)


@settings(max_examples=200, deadline=None)
@given(st.floats(0.8, 2.5), st.floats(0.5, 1.0))
def test_the_highest_retention_at_a_price_is_where_a_contradiction_begins(rise: float, rate: float) -> None:
    setup = setup_of(PlanQuery(studio(0), 1e5, limits=WIDE))
    origin, price = setup.origin, rise * setup.origin.usual("avg_ticket_price")
    most = float(setup.problem.capacity.most_retention(np.array([price]))[0])
    if abs(rate - most) < 1e-5:
        return
    held = {"avg_ticket_price": price, "retention_rate": rate}
    said = conflicts(held, origin.shown, origin.usual, origin.effects)
    assert bool(said) == (rate > most)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_settled_plans_hold_no_contradiction_and_settle_no_further(seed: int) -> None:
    setup = setup_of(PlanQuery(studio(seed % 3), 1e5, limits=WIDE))
    problem, origin = setup.problem, setup.origin
    drawn = np.random.default_rng(seed).random((7, 20))
    plans, possible = problem.settled(problem.low[:, None] + drawn * (problem.high - problem.low)[:, None])
    again, still = problem.settled(plans[:, possible])
    assert still.all()
    np.testing.assert_allclose(again, plans[:, possible], atol=1e-9)
    assert not conflicts(setup.present, origin.shown, origin.usual, origin.effects)
    for column in plans[:, possible].T:
        assert not conflicts(setup.levers(column), origin.shown, origin.usual, origin.effects)


def test_the_present_always_settles_where_it_is() -> None:
    for row in (0, 1, 2, 3, 4, 5, 7):
        problem = setup_of(PlanQuery(studio(row), 1e5)).problem
        settled, possible = problem.settled(problem.present[:, None])
        assert possible.all()
        np.testing.assert_array_equal(settled[:, 0], problem.present)


def test_more_classes_take_more_of_the_paid_hours() -> None:
    problem = setup_of(PlanQuery(studio(0), 1e5)).problem
    x = problem.present.copy()
    x[CLASSES] += 5
    settled, possible = problem.settled(x[:, None])
    assert possible[0]
    hours = problem.present[CLASSES] / problem.present[STAFF]
    assert settled[CLASSES, 0] / settled[STAFF, 0] == pytest.approx(hours)


def test_members_are_not_planned_where_there_are_no_seats() -> None:
    setup = setup_of(PlanQuery(studio(0), 1e5, target_months=6))
    peak = setup.problem.revenue.members(setup.problem.present[:, None]).max()
    tight = replace(setup.problem.capacity, most_members=1.02 * peak / setup.problem.present[CLASSES])
    problem = replace(setup.problem, capacity=tight)
    x = setup.problem.present.copy()
    x[RETENTION] += 0.03
    settled, possible = problem.settled(x[:, None])
    assert possible[0]
    assert setup.problem.present[RETENTION] < settled[RETENTION, 0] < x[RETENTION]
    assert problem.revenue.members(settled).max() == pytest.approx(1.02 * peak, rel=1e-6)
    x[NEW] += 10
    assert not problem.settled(x[:, None])[1][0]


@pytest.mark.parametrize("fills", ["retention_rate", "new_members_monthly"])
def test_a_full_studio_is_told_that_seats_bind(fills: str) -> None:
    query = PlanQuery(studio(0), 1.0, target_months=6, current_state={"total_classes_held": 100}, limits=WIDE)
    made = plan(lifted(replace(query, frozen_levers=frozenset(HELD_LEVERS) - {fills}), 2.0))
    assert not made.feasible
    (seats,) = (limit for limit in made.binding_limits if limit.limit == "seats")
    assert seats.adds_revenue > 0


def test_attendance_takes_no_more_visits_than_members_make() -> None:
    setup = setup_of(PlanQuery(studio(0), 1e5, limits=WIDE))
    attended = setup.problem.present[ATTENDANCE] * setup.problem.present[CLASSES]
    tight = replace(setup.problem.capacity, most_attended=1.05 * attended)
    problem = replace(setup.problem, capacity=tight)
    x = setup.problem.present.copy()
    x[ATTENDANCE] = min(1.2 * x[ATTENDANCE], 1.0)
    settled, _ = problem.settled(x[:, None])
    assert settled[ATTENDANCE, 0] == pytest.approx(1.05 * setup.problem.present[ATTENDANCE])


def test_where_retention_is_held_the_price_stops_where_members_would_leave() -> None:
    frozen = frozenset(HELD_LEVERS) - {"avg_ticket_price"}
    query = PlanQuery(studio(0), 1.0, frozen_levers=frozen, limits={"max_ticket_increase": None})
    made = plan(lifted(query, 3.0), forecaster())
    setup = setup_of(query)
    price = made.recommended_levers["avg_ticket_price"]
    assert setup.problem.present[TICKET] < price < setup.ranges.high[TICKET]
    at_price = float(setup.problem.capacity.most_retention(np.array([price]))[0])
    assert at_price == pytest.approx(setup.problem.present[RETENTION], abs=1e-5)
    assert "ticket_at_this_retention" in {limit.limit for limit in made.binding_limits}


QUERY = PlanQuery(studio(0), 1e5, frozen_levers=frozenset({"upsell_rate"}))


def test_the_present_breaks_nothing() -> None:
    setup = setup_of(QUERY)
    check_limits(setup, setup.present)


@pytest.mark.parametrize(
    ("lever", "moved", "said"),
    [
        ("retention_rate", lambda now: min(now + 0.0501, 1.0), "retention_rate"),
        ("avg_ticket_price", lambda now: now + 20.01, "avg_ticket_price"),
        ("avg_ticket_price", lambda now: now - 0.01, "avg_ticket_price"),
        ("new_members_monthly", lambda now: now + 11, "new_members_monthly"),
        ("new_members_monthly", lambda now: now + 0.5, "not whole"),
        ("upsell_rate", lambda now: now + 0.001, "frozen"),
        ("current_member_count", lambda now: now + 1, "current_member_count changes"),
        ("total_classes_held", lambda now: now + 1, "paid hours"),
        ("total_classes_held", lambda now: now * 0.4, "total_classes_held"),
        ("class_attendance_rate", lambda now: 1.5, "class_attendance_rate"),
    ],
)
def test_a_broken_limit_is_a_bug_and_is_named(lever: str, moved, said: str) -> None:
    setup = setup_of(QUERY)
    with pytest.raises(PlanError, match=said) as caught:
        check_limits(setup, {**setup.present, lever: moved(setup.present[lever])})
    assert "report" in caught.value.remedy


def test_members_without_seats_and_more_visits_than_members_make_are_found() -> None:
    setup = setup_of(QUERY)
    capacity = setup.problem.capacity
    tight = replace(capacity, most_members=0.1, most_attended=1.0)
    setup = replace(setup, problem=replace(setup.problem, capacity=tight))
    with pytest.raises(PlanError, match=r"more visits than members make.*no seats"):
        check_limits(setup, setup.present)


@pytest.mark.parametrize("kind", ["month", "total"])
def test_the_chance_is_read_off_the_intervals(kind: str) -> None:
    asked = ForwardQuery(studio(0), projection_months=4, interval_levels=CHANCE_LEVELS)
    (answer,) = answered(forecaster(), [asked])
    for level in (0.9, 0.48):
        low, high = answer.intervals[level][-1] if kind == "month" else answer.total_intervals[level]
        assert chance_of(answer, low, kind) == pytest.approx((1 + level) / 2, abs=1e-6)
        assert chance_of(answer, high, kind) == pytest.approx((1 - level) / 2, abs=1e-6)
    mean = answer.revenue[-1] if kind == "month" else answer.total_revenue
    chances = [chance_of(answer, mean * share, kind) for share in np.linspace(0.5, 1.5, 21)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.99
    assert chances[-1] < 0.01
    assert 0.35 < chances[10] < 0.65
