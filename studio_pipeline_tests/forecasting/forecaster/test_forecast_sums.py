"""Sums over answers: means add up by calendar month, and intervals are those of joint draws."""

from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.queries import Deviations, Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import sum_forecasts
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import independent_draws
from studio_pipeline_tests.forecasting.fleets import answered, year_ahead

JANUARY = np.datetime64("2024-01", "M")


def forecast(
    tables: IntervalTables,
    studio: str = "a",
    months: int = 12,
    base_month: np.datetime64 = JANUARY,
    revenue: float = 1000.0,
    execution: float = 0.0,
) -> Forecast:
    common, by_lever = tables.common_deviation[:months], np.full((int(execution > 0), months), execution)
    deviations = Deviations(np.hypot(common, 0.1), common, by_lever)
    paths = [(here, 0.0, 0.0) for here in np.linspace(revenue, 2 * revenue, months).tolist()]
    rest = ({}, [0.0] * months, {}, 0.9, {}, ())
    return Forecast(studio, base_month, 24, paths, *rest, deviations=deviations)


def width(tables: IntervalTables, answers: list[Forecast], level: float = 0.9) -> float:
    low, high = sum_forecasts(tables, answers, level).total_interval
    return high - low


def test_months_and_totals_are_the_sums_of_the_answers(tables: IntervalTables) -> None:
    answers = [
        forecast(tables, "a", 3),
        forecast(tables, "b", 12, revenue=70),
        forecast(tables, "c", 2, JANUARY + 5),
    ]
    total = sum_forecasts(tables, answers, 0.9)
    assert total.months[0] == JANUARY + 1
    assert (len(total.months), total.studios) == (12, 3)
    np.testing.assert_array_equal(total.answers, [2, 2, 2, 1, 1, 2, 2, 1, 1, 1, 1, 1])
    expected = np.zeros(12)
    for answer, start in zip(answers, (0, 0, 5), strict=True):
        expected[start : start + len(answer.revenue)] += answer.revenue
    np.testing.assert_allclose(total.revenue, expected)
    assert total.total_revenue == pytest.approx(sum(answer.total_revenue for answer in answers))
    assert (total.intervals[:, 0] < expected).all()
    assert (expected < total.intervals[:, 1]).all()


def test_months_without_any_answer_are_empty(tables: IntervalTables) -> None:
    total = sum_forecasts(tables, [forecast(tables, "a", 1), forecast(tables, "b", 1, JANUARY + 3)], 0.9)
    np.testing.assert_array_equal(total.answers, [1, 0, 0, 1])
    np.testing.assert_array_equal(total.intervals[1:3], np.zeros((2, 2)))


def test_a_studio_counts_once_for_each_answer_and_errs_in_both_alike(tables: IntervalTables) -> None:
    one, two = forecast(tables, "a"), forecast(tables, "b")
    assert width(tables, [one, one]) == pytest.approx(2 * width(tables, [one]))
    assert width(tables, [one, two]) < 0.97 * width(tables, [one, one])


def test_the_order_of_the_answers_changes_nothing(tables: IntervalTables) -> None:
    answers = [forecast(tables, f"{k}", 1 + k % 12, JANUARY + k % 4, 100.0 + k) for k in range(20)]
    assert width(tables, answers) == pytest.approx(width(tables, answers[::-1]))


def test_a_wider_level_is_wider_and_doubled_money_is_doubled(tables: IntervalTables) -> None:
    answers = [forecast(tables, name) for name in "abc"]
    assert width(tables, answers, 0.5) < width(tables, answers, 0.9) < width(tables, answers, 0.99)
    doubled = [
        replace(answer, months=[(2 * revenue, *others) for revenue, *others in answer.months])
        for answer in answers
    ]
    assert width(tables, doubled) == pytest.approx(2 * width(tables, answers))


def test_independent_effects_add_in_quadrature() -> None:
    effects = np.array([[3.0, 3.0, 0.0], [4.0, 0.0, 2.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    draws = independent_draws(effects, 4096)
    covariance = draws.T @ draws / len(draws)
    np.testing.assert_allclose(covariance, effects.T @ effects, atol=0.6)


def test_levers_carried_out_inexactly_widen_the_sum(tables: IntervalTables) -> None:
    exact = [forecast(tables, name) for name in "abcd"]
    inexact = [forecast(tables, name, execution=400.0) for name in "abcd"]
    deviation = (width(tables, exact) / 3.29) ** 2 + 4 * (12 * 400.0) ** 2
    assert width(tables, inexact) == pytest.approx(3.29 * np.sqrt(deviation), rel=0.1)


@pytest.mark.parametrize(
    "levers", [{}, {"avg_ticket_price": 120.0}, {"avg_ticket_price": 120.0, "retention_rate": 0.9}]
)
@pytest.mark.parametrize("months", [1, 3, 12])
def test_the_sum_of_one_answer_is_about_as_wide_as_the_answer(
    forecaster: Forecaster, levers: dict[str, float], months: int
) -> None:
    ratios = []
    for row in (0, 7, 8, 9):
        query = ForwardQuery(str(forecaster.panel.studio_ids[row]), projection_months=months, levers=levers)
        (answer,) = answered(forecaster, [query])
        low, high = answer.total_intervals[0.9]
        ratios.append(width(forecaster.model.intervals, [answer]) / (high - low))
        total = forecaster.summed([answer], 0.9)
        assert total.total_revenue == pytest.approx(answer.total_revenue)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.15)


def test_a_fleet_errs_less_than_its_studios_one_by_one(forecaster: Forecaster) -> None:
    answers = answered(forecaster, year_ahead(forecaster.panel))
    total = forecaster.summed(answers, 0.9)
    alone = sum(answer.total_intervals[0.9][1] - answer.total_intervals[0.9][0] for answer in answers)
    assert total.total_interval[1] - total.total_interval[0] < 0.9 * alone


def test_an_answer_without_deviations_is_refused(tables: IntervalTables) -> None:
    with pytest.raises(ValueError, match="no model"):
        sum_forecasts(tables, [replace(forecast(tables), deviations=None)], 0.9)
