"""Joint draws: sums over months and studios, and differences between answers."""

import numpy as np
import pytest

from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.intervals.joint_simulation import (
    Projected,
    aligned_paths,
    calendar_sum_paths,
    central_interval,
    chances_of_more,
    difference_interval,
    difference_paths,
    difference_sums,
    studio_sum_paths,
)
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.forecasting.simulated_errors import Simulated, simulated_errors

NONE = np.zeros(12)


@pytest.fixture(scope="module")
def new() -> Simulated:
    return simulated_errors(seed=2, n_months=80)


def studios(n: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(3)
    return rng.uniform(1e4, 9e4, (n, 12)), rng.uniform(0.05, 0.2, (n, 1)) * np.sqrt(np.arange(1, 13) / 12)


def projected(tables: IntervalTables, revenue: FloatArray, scale: FloatArray) -> Projected:
    """An answer with every lever free."""
    return Projected(revenue, scale, tables.common_deviation[: len(revenue)])


def revenue_paths(tables: IntervalTables, revenue: FloatArray, scale: FloatArray) -> FloatArray:
    """(K, N, 12) paths of each studio, in a sum in which each has a year of its own."""
    answers = Projected(revenue, scale, np.broadcast_to(tables.common_deviation, scale.shape))
    numbers = np.arange(len(revenue))
    return calendar_sum_paths(tables, answers, numbers, 12 * numbers).reshape(-1, len(revenue), 12)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_paths_and_tables_say_the_same_of_a_month_and_a_total(tables: IntervalTables, level: float) -> None:
    revenue, scale = studios(40)
    paths = revenue_paths(tables, revenue, scale)
    np.testing.assert_allclose(paths.mean(0), revenue, rtol=1e-12)
    low, high = central_interval(paths, level)
    by_table = tables.interval(revenue, scale, level)
    width = by_table[..., 1] - by_table[..., 0]
    np.testing.assert_allclose((high - low).mean(0) / width.mean(0), 1.0, atol=0.08)
    for months in (3, 12):
        ends = central_interval(paths[..., :months].sum(2), level)
        total = tables.total_interval(revenue[:, :months].sum(1), scale, months, level)
        assert (ends[1] - ends[0]).mean() == pytest.approx((total[:, 1] - total[:, 0]).mean(), rel=0.12)


def test_sums_over_studios_are_covered(tables: IntervalTables, new: Simulated) -> None:
    """Own errors average out and the market's does not: neither is taken for the other."""
    scale = tables.scale(new.windows)
    inside, narrower = [], []
    for month in range(80):
        here = new.months == month
        paths = studio_sum_paths(tables, new.forecast[here], scale[here])
        low, high = central_interval(paths, 0.9)
        happened = new.actual[here].sum(0)
        inside.append((low <= happened) & (happened <= high))
        bounds = tables.interval(new.forecast[here], scale[here], 0.9)
        narrower.append(((high - low) < 0.6 * (bounds[..., 1] - bounds[..., 0]).sum(0)).all())
    assert np.mean(inside) == pytest.approx(0.9, abs=0.07)
    assert all(narrower)


def test_the_order_of_the_studios_does_not_matter(tables: IntervalTables) -> None:
    revenue, scale = studios(30)
    order = np.random.default_rng(4).permutation(30)
    np.testing.assert_allclose(
        studio_sum_paths(tables, revenue[order], scale[order]), studio_sum_paths(tables, revenue, scale)
    )


def test_a_market_that_levers_have_taken_away_does_not_blur_a_difference(tables: IntervalTables) -> None:
    """Of an answer whose own error is as before and whose common one is gone, less is in doubt."""
    revenue, scale = studios(1)
    usual = Projected(np.zeros(12), scale[0], np.zeros(12))
    own = np.sqrt(scale[0] ** 2 - tables.common_deviation**2)
    whole = difference_paths(tables, projected(tables, revenue[0], scale[0]), usual, NONE)
    without = difference_paths(tables, Projected(revenue[0], own, np.zeros(12)), usual, NONE)
    np.testing.assert_allclose(without, revenue[0] + tables.own_paths * revenue[0] * own)
    market = whole - without
    np.testing.assert_allclose(market.std(0), revenue[0] * tables.common_deviation, rtol=1e-6)


def test_what_hits_both_answers_does_not_blur_their_difference(tables: IntervalTables) -> None:
    revenue, scale = studios(1)
    one, other = projected(tables, 1.1 * revenue[0], scale[0]), projected(tables, revenue[0], scale[0])
    low, high = difference_interval(tables, one, other, NONE, 0.9)
    difference = 0.1 * revenue.sum()
    assert 0 < low < difference < high
    total = tables.total_interval(np.array([difference]), scale, 12, 0.9)[0]
    assert high - low == pytest.approx(total[1] - total[0], rel=0.15)
    assert chances_of_more(difference_paths(tables, one, other, NONE).sum(1)) == 1.0


@pytest.mark.parametrize("most", [0.0, 0.05])
def test_draws_summed_are_the_sums_of_the_draws(tables: IntervalTables, most: float) -> None:
    revenue, scale = studios(2)
    one = Projected(revenue[0, :9], scale[0, :9], np.linspace(0.0, most, 9))
    other, deviation = projected(tables, revenue[1, :9], scale[1, :9]), np.linspace(0.0, 900.0, 9)
    months = difference_paths(tables, one, other, deviation)
    np.testing.assert_allclose(difference_sums(tables, one, other, deviation), months.sum(1), rtol=1e-9)


def test_uncertain_responses_widen_a_difference(tables: IntervalTables) -> None:
    revenue, scale = studios(1)
    one, other = projected(tables, 1.1 * revenue[0], scale[0]), projected(tables, revenue[0], scale[0])
    deviation = np.full(12, 0.1 * revenue.sum() / 12)
    draws = difference_paths(tables, one, other, deviation).sum(1)
    assert draws.mean() == pytest.approx(0.1 * revenue.sum(), rel=0.05)
    # The difference is one deviation away from nothing.
    assert chances_of_more(draws) == pytest.approx(0.84, abs=0.04)
    low, high = difference_interval(tables, one, other, deviation, 0.9)
    assert low < 0 < high


def test_the_first_order_agrees_with_whole_paths(tables: IntervalTables) -> None:
    revenue, scale = studios(1)
    one, other = projected(tables, 1.3 * revenue[0], scale[0]), projected(tables, revenue[0], scale[0])
    exact = (
        revenue_paths(tables, one.revenue[None], one.scale[None])
        - revenue_paths(tables, other.revenue[None], other.scale[None])
    )[:, 0].sum(1)
    low, high = difference_interval(tables, one, other, NONE, 0.8)
    by_paths = central_interval(exact, 0.8)
    assert high - low == pytest.approx(by_paths[1] - by_paths[0], rel=0.2)


def test_what_a_lever_settles_is_uncertain_in_the_other_answer_alone(tables: IntervalTables) -> None:
    """With nothing to differ by but certainty, the difference is as uncertain as what was settled."""
    revenue, scale = studios(1)
    free = Projected(revenue[0], scale[0], tables.common_deviation[:12])
    settled = Projected(revenue[0], 0.6 * scale[0], 0.6 * tables.common_deviation[:12])
    low, high = difference_interval(tables, settled, free, NONE, 0.9)
    total = tables.total_interval(revenue.sum(1), 0.8 * scale, 12, 0.9)[0]
    assert low < 0 < high
    assert high - low == pytest.approx(total[1] - total[0], rel=0.25)
    assert difference_interval(tables, free, free, NONE, 0.9) == (0.0, 0.0)


def test_of_two_studios_the_better_one_is_told_as_often_as_it_is(
    tables: IntervalTables, new: Simulated
) -> None:
    """Chances are frequencies: of all pairs given 70 %, 70 % come out that way."""
    scale, rng = tables.scale(new.windows), np.random.default_rng(5)
    told, happened = [], []
    for month in range(80):
        pair = rng.choice(np.flatnonzero(new.months == month), 2, replace=False)
        # As large as one another but for a lead of one of them.
        size = 1e4 * np.array([1.0, rng.uniform(0.85, 1.15)]) / new.forecast[pair].sum(1)
        answers = [
            projected(tables, s * new.forecast[row], scale[row]) for s, row in zip(size, pair, strict=True)
        ]
        totals = aligned_paths(tables, answers, [0, 1], [0, 0]).sum(2)
        told.append(chances_of_more(totals[:, 0] - totals[:, 1]))
        first, second = size * new.actual[pair].sum(1)
        happened.append(first > second)
    chance, won = np.array(told), np.array(happened)
    sure = np.abs(chance - 0.5) > 0.2
    assert 15 < sure.sum() < 75
    favourite = np.where(chance > 0.5, won, ~won)
    expected = np.maximum(chance, 1 - chance)
    for some in (sure, ~sure):
        error = np.sqrt((expected * (1 - expected))[some].sum()) / some.sum()
        assert favourite[some].mean() == pytest.approx(expected[some].mean(), abs=3 * error)


def test_answers_of_one_studio_share_its_errors_and_others_only_the_market(tables: IntervalTables) -> None:
    revenue, scale = studios(1)
    one = projected(tables, revenue[0], scale[0])
    log_paths = np.log(aligned_paths(tables, [one, one, one], [0, 0, 1], [0, 0, 0]))[:, :, -1]
    correlation = np.corrcoef(log_paths.T)
    market = tables.common_deviation[-1] ** 2 / scale[0, -1] ** 2
    assert correlation[0, 1] == pytest.approx(1.0)
    assert correlation[0, 2] == pytest.approx(market, abs=0.08)
    assert market < 0.8


def test_aligned_paths_have_the_revenue_as_their_mean_at_its_months_ahead(tables: IntervalTables) -> None:
    revenue, scale = studios(2)
    answers = [
        projected(tables, revenue[0, :7], scale[0, :7]),
        projected(tables, revenue[1, :4], scale[1, :4]),
    ]
    paths = aligned_paths(tables, answers, [0, 0], [3, 0])
    np.testing.assert_allclose(paths.mean(0), [revenue[0, 3:7], revenue[1, :4]], rtol=1e-12)
    spread = np.log(paths).std(0)
    np.testing.assert_allclose(spread, [scale[0, 3:7], scale[1, :4]], rtol=0.15)
