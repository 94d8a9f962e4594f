"""The proof: every kind of broken limit is found, and chances are those of the intervals shown."""

from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.errors import PlanError
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.planning.inverse.queries import PlanQuery
from studio_pipeline.planning.inverse.verification import CHANCE_LEVELS, chance_of, check_limits
from studio_pipeline_tests.forecasting.fleets import answered
from studio_pipeline_tests.planning.fixtures import forecaster, setup_of, studio

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
