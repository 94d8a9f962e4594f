"""Scenarios side by side: what each brings, by how much they differ, and which one wins how often."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.errors import LeverError, QueryError
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.planning.scenarios import AlignedForecasts, compare_forecasts
from studio_pipeline_tests.forecasting.fleets import answered


def studio(forecaster: Forecaster, row: int = 8) -> str:
    return str(forecaster.panel.studio_ids[row])


def last_month(forecaster: Forecaster) -> np.datetime64:
    month: np.datetime64 = forecaster.panel.months[-1]
    return month


RANGES = {"avg_ticket_price": (100, 180), "retention_rate": (0.85, 0.98), "new_members_monthly": (5, 40)}
RANGES |= {"staff_utilization_rate": (0.7, 0.95), "class_attendance_rate": (0.5, 0.95)}
LEVERS = st.fixed_dictionaries({}, optional={name: st.floats(*ends) for name, ends in RANGES.items()})


@given(
    row=st.integers(7, 23),
    levers=LEVERS.filter(bool),
    from_month=st.integers(1, 4),
    uncertainty=st.sampled_from([0.0, 0.1]),
)
@settings(max_examples=25, deadline=None)
def test_beside_the_free_one_a_scenario_differs_as_its_answer_says(
    forecaster: Forecaster, row: int, levers: dict[str, float], from_month: int, uncertainty: float
) -> None:
    query = ForwardQuery(studio(forecaster, row), None, 6, lever_plan=(LeverStep(from_month, levers),))
    query = replace(query, compare_to_status_quo=True, execution_uncertainty=uncertainty)
    (answer,) = answered(forecaster, [query])
    free = ForwardQuery(studio(forecaster, row), projection_months=6)
    for queries, sign in (([free, query], 1), ([query, free], -1)):
        comparison = compare_forecasts(forecaster, queries, 0.9)
        beside = comparison.scenarios[1]
        expected = sign * answer.status_quo.difference
        assert beside.total_difference == pytest.approx(expected, rel=1e-9, abs=1e-6)
        ends = sorted(sign * end for end in answer.status_quo.difference_interval)
        np.testing.assert_allclose(beside.total_difference_interval, ends, rtol=1e-5, atol=0.5)
        np.testing.assert_array_equal(beside.difference[: from_month - 1], 0)
        np.testing.assert_array_equal(beside.difference_interval[: from_month - 1], 0)
        np.testing.assert_array_equal(comparison.month_chance_ahead[: from_month - 1], 0.5)


@given(levers=LEVERS, months=st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_beside_itself_a_scenario_neither_wins_nor_loses(forecaster, levers, months) -> None:
    query = ForwardQuery(
        studio(forecaster), projection_months=months, levers=levers, execution_uncertainty=0.1
    )
    comparison = compare_forecasts(forecaster, [query, query], 0.9)
    np.testing.assert_array_equal(comparison.scenarios[1].difference_interval, np.zeros((months, 2)))
    assert comparison.scenarios[1].total_difference_interval == (0.0, 0.0)
    np.testing.assert_array_equal(comparison.chance_ahead, 0.5)
    np.testing.assert_array_equal(comparison.month_chance_ahead, 0.5)


def test_nobody_loses_more_than_there_is(forecaster: Forecaster) -> None:
    levers = {"retention_rate": 0.5, "new_members_monthly": 0.0, "avg_ticket_price": 60.0}
    ruin = ForwardQuery(studio(forecaster), projection_months=12, levers=levers, execution_uncertainty=0.5)
    free = ForwardQuery(studio(forecaster), projection_months=12)
    kept, lost = compare_forecasts(forecaster, [free, ruin], 0.999).scenarios
    assert lost.total_difference_interval[0] >= -kept.total_revenue
    assert (lost.difference_interval[:, 0] >= -kept.revenue).all()
    assert lost.total_difference_interval[1] < 0


def test_what_rounding_leaves_is_no_difference(forecaster: Forecaster) -> None:
    """The root of a last bit is large enough to be seen in money."""
    (outlook,) = forecaster.outlooks([ForwardQuery(studio(forecaster))])
    projected = outlook.projected
    a_bit_wider = replace(projected, scale=np.nextafter(projected.scale, 1.0))
    months = outlook.forecast.base_month + np.arange(1, 4)
    outlooks = (replace(outlook, projected=a_bit_wider), outlook)
    difference = AlignedForecasts(forecaster.interval_tables, outlooks, months).difference(0, 1)
    np.testing.assert_array_equal(difference.draws, 0)
    assert difference.total_interval(0.9) == (0.0, 0.0)


def mixed(forecaster: Forecaster) -> list[ForwardQuery]:
    """Free, with levers, of an older base month, of other studios; one has its revenue alone."""
    earlier = last_month(forecaster) - 3
    own = studio(forecaster)
    return [
        ForwardQuery(own, projection_months=6),
        ForwardQuery(own, projection_months=9, levers={"avg_ticket_price": 150.0}),
        ForwardQuery(own, earlier, projection_months=12),
        ForwardQuery(studio(forecaster, 6), projection_months=6),
        ForwardQuery(studio(forecaster, 9), projection_months=5),
    ]


def test_chances_of_winning_and_losing_add_up(forecaster: Forecaster) -> None:
    comparison = compare_forecasts(forecaster, mixed(forecaster), 0.8)
    assert [*map(str, comparison.months)] == [str(last_month(forecaster) + step) for step in range(1, 6)]
    for chances in (comparison.chance_ahead, *comparison.month_chance_ahead):
        np.testing.assert_allclose(chances + chances.T, 1.0, rtol=1e-12)
        np.testing.assert_array_equal(np.diag(chances), 0.5)
    assert ((comparison.chance_ahead > 0) & (comparison.chance_ahead < 1)).any(axis=1)[3:].any()


def test_the_order_of_scenarios_does_not_matter(forecaster: Forecaster) -> None:
    queries = mixed(forecaster)
    order = [4, 2, 0, 3, 1]
    one = compare_forecasts(forecaster, queries, 0.8)
    other = compare_forecasts(forecaster, [queries[place] for place in order], 0.8)
    np.testing.assert_allclose(one.chance_ahead[np.ix_(order, order)], other.chance_ahead, rtol=1e-12)


def test_what_is_told_of_a_scenario_is_its_forecast_and_adds_up(forecaster: Forecaster) -> None:
    queries = [replace(query, interval_levels=(0.8,)) for query in mixed(forecaster)]
    comparison = compare_forecasts(forecaster, queries, 0.8)
    first = comparison.scenarios[0]
    for query, scenario in zip(queries, comparison.scenarios, strict=True):
        (answer,) = answered(forecaster, [query])
        skipped = int((comparison.months[0] - answer.base_month).astype(int)) - 1
        inside = slice(skipped, skipped + 5)
        np.testing.assert_allclose(scenario.revenue, answer.revenue[inside], rtol=1e-12)
        np.testing.assert_allclose(scenario.interval, answer.intervals[0.8][inside], rtol=1e-12)
        assert scenario.total_revenue == pytest.approx(scenario.revenue.sum())
        np.testing.assert_allclose(scenario.difference, scenario.revenue - first.revenue, rtol=1e-12)
        assert scenario.total_interval[0] < scenario.total_revenue < scenario.total_interval[1]
        low, high = scenario.total_difference_interval
        assert low <= scenario.total_difference <= high
    (last,) = answered(forecaster, queries[-1:])
    assert comparison.scenarios[-1].total_interval == pytest.approx(last.total_intervals[0.8])


def test_other_studios_differ_by_more_than_the_same_one(forecaster: Forecaster) -> None:
    """What hits one studio alone blurs its difference to another, and not that of its own two answers."""
    same = [mixed(forecaster)[0], replace(mixed(forecaster)[1], levers={"upsell_rate": 0.2})]
    width = [
        np.ptp(compare_forecasts(forecaster, pair, 0.9).scenarios[1].total_difference_interval)
        for pair in (same, [mixed(forecaster)[0], mixed(forecaster)[4]])
    ]
    assert width[0] < 0.7 * width[1]


def test_a_later_base_month_shares_the_studio_s_errors(forecaster: Forecaster) -> None:
    """Were the errors of both independent, their difference would be wider than both of them."""
    now, before = mixed(forecaster)[0], mixed(forecaster)[2]
    comparison = compare_forecasts(forecaster, [now, before], 0.9)
    one, other = (np.ptp(scenario.interval, axis=1) for scenario in comparison.scenarios)
    apart = np.ptp(comparison.scenarios[1].difference_interval, axis=1)
    assert (apart < 0.85 * np.hypot(one, other)).all()


def test_a_step_of_a_plan_beyond_the_shared_months_is_checked_and_changes_nothing(forecaster) -> None:
    own = studio(forecaster)
    short = ForwardQuery(own, projection_months=3)
    late = ForwardQuery(own, projection_months=12, lever_plan=(LeverStep(6, {"avg_ticket_price": 150.0}),))
    beside = compare_forecasts(forecaster, [short, late], 0.9).scenarios[1]
    np.testing.assert_array_equal(beside.difference, np.zeros(3))
    wrong = replace(late, lever_plan=(LeverStep(6, {"avg_ticket_price": 1e6}),))
    with pytest.raises(LeverError, match="avg_ticket_price"):
        compare_forecasts(forecaster, [short, wrong], 0.9)


def test_scenarios_without_a_month_in_common_are_refused(forecaster: Forecaster) -> None:
    own = studio(forecaster)
    queries = [ForwardQuery(own), ForwardQuery(own, last_month(forecaster) - 5)]
    with pytest.raises(QueryError, match="share no month"):
        compare_forecasts(forecaster, queries, 0.9)


@pytest.mark.parametrize("n", [0, 1, 11])
def test_too_few_and_too_many_are_refused(forecaster: Forecaster, n: int) -> None:
    with pytest.raises(QueryError, match="2 to 10"):
        compare_forecasts(forecaster, [ForwardQuery(studio(forecaster))] * n, 0.9)
