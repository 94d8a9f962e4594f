"""Givens narrow an answer, and values that nobody has shown widen it."""

import math
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.intervals.lever_share_fitting import Floors, GivenErrors, fit_lever_shares
from studio_pipeline.forecasting.intervals.lever_variance_shares import (
    COMPONENTS,
    LeverShares,
    no_shares,
    usual_shares,
    widening_outside,
)
from studio_pipeline.panel.arrays import FloatArray

OWN = np.array([0.4, 0.2, 0.0, 0.3, 0.0, 0.09, 0.0])
"""What each lever holds of the own variance; a hundredth is left where all are given."""
MARKET = np.array([0.1, 0.5, 0.0, 0.4, 0.0, 0.0, 0.0])
OWN_DEVIATION, COMMON_DEVIATION = 0.1, 0.04
FLOORS = Floors(np.full(12, 1 - OWN.sum()), np.full(12, 1e-3), np.ones(12))


def drawn_errors(seed: int, n_months: int = 30, n_studios: int = 60, worse: float = 1.0) -> GivenErrors:
    """Each lever adds an own and a common error unless it is given; one that does nothing may do harm."""
    rng = np.random.default_rng(seed)
    n = n_months * n_studios
    months = np.repeat(np.arange(n_months), n_studios)
    masks = np.where(rng.random((n, 1)) < 0.3, True, rng.random((n, 7)) < 0.5)
    own = rng.standard_normal((n, 7)) * np.sqrt(OWN) * ~masks
    market = (rng.standard_normal((n_months, 7)) * np.sqrt(MARKET))[months] * ~masks
    rest = np.sqrt(1 - OWN.sum()) * rng.standard_normal(n)
    errors = OWN_DEVIATION * (own.sum(1) + rest) + COMMON_DEVIATION * market.sum(1)
    errors = errors * np.where(masks[:, 2], worse, 1.0)
    return GivenErrors(
        np.tile(errors[:, None], (1, 12)),
        np.repeat(masks[:, None, :].astype(float), 12, axis=1),
        months,
        np.full((n, 12), OWN_DEVIATION**2),
        np.ones(n),
    )


@cache
def of_seed(seed: int) -> LeverShares:
    return fitted(drawn_errors(seed))


def fitted(errors: GivenErrors) -> LeverShares:
    return fit_lever_shares(errors, FLOORS, np.full(12, COMMON_DEVIATION**2))


def left(shares: LeverShares, names: tuple[str, ...], h: int = 5) -> tuple[float, float]:
    own, common = shares.left(paths(set(names)))
    return float(own[0, h]), float(common[0, h])


def test_what_any_subset_leaves_of_the_own_variance_is_recovered() -> None:
    """However little it is: the logarithm counts."""
    shares = of_seed(1)
    for size in (1, 2, 3, 6, 7):
        for chosen in combinations(range(7), size):
            true = 1 - OWN[list(chosen)].sum()
            found, _ = left(shares, tuple(HELD_LEVERS[k] for k in chosen))
            assert np.log(found / true) == pytest.approx(0, abs=0.3), chosen


def test_what_is_left_of_the_market_falls_with_the_levers_that_move_it() -> None:
    found = np.mean([[left(of_seed(s), (name,))[1] for name in HELD_LEVERS] for s in (1, 2)], 0)
    np.testing.assert_allclose(1 - found, MARKET, atol=0.2)
    assert left(of_seed(1), HELD_LEVERS)[1] < 0.01


def test_a_shock_that_came_through_one_lever_leaves_the_others_what_they_are() -> None:
    """The free market is taken to be a quarter of what these months saw, most of which one lever did."""
    shares = fit_lever_shares(drawn_errors(1), FLOORS, np.full(12, COMMON_DEVIATION**2 / 4))
    _, of_price = left(shares, ("avg_ticket_price",))
    _, of_others = left(shares, tuple(name for name in HELD_LEVERS if name != "retention_rate"))
    assert 0.4 < of_price < 0.9
    assert of_others > 0.1


def paths(given_levers: set[str], from_month: int = 1) -> dict[str, FloatArray]:
    path = np.where(np.arange(1, 13) >= from_month, 1.0, np.nan)[None]
    return dict.fromkeys(sorted(given_levers), path)


def some_shares() -> LeverShares:
    rng = np.random.default_rng(3)
    own, common = rng.dirichlet(np.ones(len(COMPONENTS) + 1), (2, 12))[..., :-1]
    return LeverShares(own, common, np.linspace(1, 0.1, 12))


def left_of_sum(shares: LeverShares, left: FloatArray) -> FloatArray:
    """(..., h) of the own variance in the sum over h months, of months with (..., h) left."""
    floor, summed, slope = shares.of_sums[left.shape[-1] - 1]
    return np.asarray(summed + (left - floor) * slope)


@given(
    st.sets(st.sampled_from(HELD_LEVERS), min_size=1),
    st.sets(st.sampled_from(HELD_LEVERS)),
    st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_more_levers_never_widen(some: set[str], others: set[str], from_month: int) -> None:
    shares = some_shares()
    fewer, more = shares.left(paths(some, from_month)), shares.left(paths(some | others, from_month))
    sums = (left_of_sum(shares, of_months[0]) for of_months in (fewer, more))
    for one, other in (*zip(fewer, more, strict=True), tuple(sums)):
        assert (other <= one + 1e-12).all()
        assert ((other > 0) & (one <= 1 + 1e-12)).all()
    for months in fewer:
        assert (months[:, : from_month - 1] == 1).all()


def test_a_member_count_narrows_nothing() -> None:
    for part in some_shares().left({"current_member_count": np.ones((1, 12))}):
        np.testing.assert_array_equal(part, 1.0)


def test_a_sum_is_that_of_free_months_or_of_months_given_whole() -> None:
    shares = some_shares()
    np.testing.assert_allclose(left_of_sum(shares, np.ones((1, 12))), 1.0)
    floor = shares.left(paths(set(HELD_LEVERS)))[0]
    np.testing.assert_allclose(left_of_sum(shares, floor), 0.1 * floor)
    np.testing.assert_allclose(left_of_sum(shares, floor[:, :1]), floor[:, :1])


def test_levers_that_hold_a_share_together_take_it_only_together() -> None:
    own = np.zeros((12, len(COMPONENTS)))
    own[:, len(HELD_LEVERS)] = 0.5
    shares = LeverShares(own, own, np.ones(12))
    assert left(shares, ("retention_rate",)) == (1.0, 1.0)
    assert left(shares, ("new_members_monthly", "retention_rate")) == (0.5, 0.5)


def test_a_lever_that_makes_it_worse_gets_no_share() -> None:
    own = fitted(drawn_errors(2, worse=1.4)).own
    assert (own >= 0).all()
    np.testing.assert_array_equal(own[:, 2], 0.0)


def test_few_errors_give_the_usual_shares_of_the_own_variance_and_none_of_the_market() -> None:
    found, usual = fitted(drawn_errors(1, n_months=1, n_studios=20)), usual_shares(12)
    np.testing.assert_array_equal(found.own, usual.own)
    np.testing.assert_array_equal(found.common, 0.0)
    assert left(found, ("retention_rate",)) == (pytest.approx(0.7), 1.0)
    assert left(found, ("new_members_monthly", "avg_ticket_price")) == (pytest.approx(0.5), 1.0)
    assert left(found, ("upsell_rate", "staff_utilization_rate")) == (1.0, 1.0)
    everything, _ = left(found, HELD_LEVERS)
    assert everything == pytest.approx(0.2)


def test_no_shares_narrow_nothing() -> None:
    assert left(no_shares(12), HELD_LEVERS) == (1.0, 1.0)


def test_shares_that_leave_everything_narrow_nothing() -> None:
    """Where the panel carries no lever, answers under all levers are as far off as free ones."""
    shares = fit_lever_shares(
        drawn_errors(1), Floors(np.ones(12), np.ones(12), np.ones(12)), np.full(12, 1e-3)
    )
    for part in shares.left(paths(set(HELD_LEVERS))):
        np.testing.assert_allclose(part, 1.0)


SHOWN = {"avg_ticket_price": (100.0, 140.0)}


@pytest.mark.parametrize(
    ("price", "factor"), [(100.0, 1.0), (140.0, 1.0), (160.0, 1.25), (60.0, 1.5), (180.0, 1.5)]
)
def test_a_lever_outside_what_was_seen_widens_by_how_far(price: float, factor: float) -> None:
    widened = widening_outside({"avg_ticket_price": [price] * 12}, SHOWN)
    np.testing.assert_allclose(widened * np.ones(12), factor)


def test_a_later_lever_widens_from_its_month_on() -> None:
    path = [math.nan] * 3 + [160.0] * 9
    widened = widening_outside({"avg_ticket_price": path, "upsell_rate": [0.9] * 12}, SHOWN)
    np.testing.assert_allclose(widened, np.where(np.arange(12) >= 3, 1.25, 1.0))
