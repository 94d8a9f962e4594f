"""Givens narrow an answer, and values that nobody has shown widen it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.lever_shares import LeverShares, fit_lever_shares, widening_outside

TRUE = np.array([0.3, 0.2, 0.0, 0.25, 0.0, 0.05, 0.0])


def simulated_shares(n: int = 20_000) -> LeverShares:
    """Each lever adds an error of its own, of the variance `TRUE`, unless it is given."""
    rng = np.random.default_rng(1)
    masks = np.where(rng.random((n, 1)) < 0.5, True, rng.random((n, 7)) < 0.5)
    parts = rng.standard_normal((n, 7)) * np.sqrt(TRUE) * ~masks
    errors = parts.sum(1) + np.sqrt(1 - TRUE.sum()) * rng.standard_normal(n)
    given_share = np.repeat(masks[:, None, :].astype(float), 12, axis=1)
    return fit_lever_shares(np.tile(errors[:, None] ** 2, (1, 12)), given_share, np.ones(n))


def test_shares_are_recovered() -> None:
    np.testing.assert_allclose(simulated_shares().shares[5, :-1], TRUE, atol=0.04)


def paths(given_levers: set[str], from_month: int = 1) -> dict[str, np.ndarray]:
    path = np.where(np.arange(1, 13) >= from_month, 1.0, np.nan)[None]
    return dict.fromkeys(sorted(given_levers), path)


@given(st.sets(st.sampled_from(HELD_LEVERS)), st.sets(st.sampled_from(HELD_LEVERS)), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_more_levers_never_widen(some: set[str], others: set[str], from_month: int) -> None:
    shares = LeverShares(np.tile([*TRUE, 0.1], (12, 1)))
    fewer, more = shares.factor(paths(some, from_month)), shares.factor(paths(some | others, from_month))
    assert (more <= fewer + 1e-12).all()
    assert ((more > 0) & (fewer <= 1)).all()
    assert (fewer[:, : from_month - 1] == 1).all()


def test_a_member_count_narrows_nothing() -> None:
    np.testing.assert_array_equal(
        LeverShares(np.tile([*TRUE, 0.1], (12, 1))).factor({"current_member_count": np.ones((1, 12))}), 1.0
    )


def test_a_lever_that_does_nothing_or_makes_it_worse_gets_no_share() -> None:
    rng = np.random.default_rng(2)
    masks = rng.random((4000, 12, 7)) < 0.5
    squares = rng.chisquare(1, (4000, 12)) * np.where(masks[..., 2], 1.5, 0.9)
    shares = fit_lever_shares(squares, masks.astype(float), np.ones(4000)).shares
    assert (shares >= 0).all()
    assert (shares[:, 2] == 0).all()


def test_no_evidence_gives_no_share() -> None:
    shares = fit_lever_shares(np.full((5, 12), np.nan), np.ones((5, 12, 7)), np.ones(5)).shares
    np.testing.assert_array_equal(shares, 0.0)


SHOWN = {"avg_ticket_price": (100.0, 140.0)}


@pytest.mark.parametrize(
    ("price", "factor"), [(100.0, 1.0), (140.0, 1.0), (160.0, 1.25), (60.0, 1.5), (180.0, 1.5)]
)
def test_a_lever_outside_what_was_seen_widens_by_how_far(price: float, factor: float) -> None:
    widened = widening_outside({"avg_ticket_price": np.full(12, price)}, SHOWN)
    np.testing.assert_allclose(widened * np.ones(12), factor)


def test_a_later_lever_widens_from_its_month_on() -> None:
    path = np.where(np.arange(12) >= 3, 160.0, np.nan)
    widened = widening_outside({"avg_ticket_price": path, "upsell_rate": np.full(12, 0.9)}, SHOWN)
    np.testing.assert_allclose(widened, np.where(np.arange(12) >= 3, 1.25, 1.0))
