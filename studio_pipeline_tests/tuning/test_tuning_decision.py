"""The decision: defaults stay where there is nothing but noise, and a real gain is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.panel.arrays import FloatArray, IntArray
from studio_pipeline.tuning.verdicts import is_beyond_noise, paired_gain

LEAST = 0.005


def simulated_losses(
    rng: np.random.Generator, gain: float, n_months: int = 12, n_studios: int = 100
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Losses of defaults and of values that save `gain`; what tells them apart is shared by the studios of a
    month, and drifts from month to month.
    """
    common = np.zeros(n_months)
    for month in range(1, n_months):
        common[month] = 0.5 * common[month - 1] + rng.normal(0, 0.03)
    default = rng.exponential(0.03, (n_studios, n_months))
    noise = common + rng.normal(0, 0.05, default.shape)
    months = np.broadcast_to(np.arange(n_months), default.shape)
    return default, default * (1 - gain + noise), months


@pytest.mark.parametrize(("gain", "fewest", "most"), [(0.0, 0, 5), (0.2, 90, 100)])
def test_defaults_stay_in_pure_noise_and_a_gain_of_a_fifth_is_found(gain, fewest, most) -> None:
    """The rule's level is 1 in 60 for each learner; 5 of 100 leaves room for the luck of a hundred draws."""
    draws = (simulated_losses(np.random.default_rng(seed), gain) for seed in range(100))
    assert fewest <= sum(is_beyond_noise(paired_gain(*losses), LEAST) for losses in draws) <= most


def test_the_pick_of_many_trials_on_other_months_is_no_better_than_noise() -> None:
    kept = 0
    for seed in range(100):
        rng = np.random.default_rng(1000 + seed)
        searched = [paired_gain(*simulated_losses(rng, 0.0)).share for _ in range(20)]
        # On the months of the search the best of twenty equal ones looks like a real gain.
        assert max(searched) > 0.01
        kept += not is_beyond_noise(paired_gain(*simulated_losses(rng, 0.0)), LEAST)
    assert kept >= 95


def test_a_share_of_the_error() -> None:
    default = np.full((3, 12), 2.0)
    months = np.broadcast_to(np.arange(12), default.shape)
    gain = paired_gain(default, 0.9 * default, months)
    assert gain.share == pytest.approx(0.1)
    assert gain.standard_error == pytest.approx(0.0, abs=1e-12)
    assert gain.n_months == 12
    assert is_beyond_noise(gain, 0.05)
    assert not is_beyond_noise(gain, 0.11)


def test_few_months_and_nothing_known_decide_nothing() -> None:
    months = np.broadcast_to(np.arange(5), (4, 5))
    few = paired_gain(np.ones((4, 5)), np.full((4, 5), 0.5), months)
    nothing = paired_gain(np.full((4, 5), np.nan), np.ones((4, 5)), months)
    assert few.share == 0.5
    assert not is_beyond_noise(few, LEAST)
    assert not is_beyond_noise(nothing, LEAST)


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), gain=st.floats(-0.2, 0.2))
def test_units_do_not_matter_and_unknown_forecasts_do_not_count(seed: int, scale: float, gain: float) -> None:
    default, tuned, months = simulated_losses(np.random.default_rng(seed), gain, n_studios=10)
    found = paired_gain(default, tuned, months)
    again = paired_gain(
        np.vstack([scale * default, np.full((2, 12), np.nan)]),
        np.vstack([scale * tuned, np.ones((2, 12))]),
        np.vstack([months, months[:2]]),
    )
    for name in ("share", "standard_error", "low", "high"):
        assert getattr(again, name) == pytest.approx(getattr(found, name), rel=1e-6, abs=1e-9)
    assert found.low <= found.share <= found.high
