"""Statistics of the drift monitor against slow, obvious twins, and their null distribution."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.monitoring.drift.statistics import (
    AFFECTED_SHARE,
    MIXTURE_TAILS,
    RARE,
    WINDOWS,
    mixture,
    mixture_threshold,
    path_threshold,
    tamed,
    window_sums,
)
from studio_pipeline_tests.benchmarks.drift_null_table import mixture_maxima


@given(st.integers(0, 10_000), st.floats(0, 0.6))
@settings(max_examples=25, deadline=None)
def test_window_sums_equal_their_slow_twin(seed: int, missing: float) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.standard_normal((3, 20))
    scores[generator.random(scores.shape) < missing] = np.nan
    found = window_sums(scores)
    for row, width in enumerate(WINDOWS):
        for studio in range(3):
            for month in range(20):
                seen = scores[studio, max(month - width + 1, 0) : month + 1]
                seen = seen[np.isfinite(seen)]
                enough = len(seen) >= width / 2 and len(seen)
                expected = seen.sum() / np.sqrt(len(seen)) if enough else np.nan
                np.testing.assert_allclose(found[row, studio, month], expected, atol=1e-9)


def test_mixture_equals_its_formula_and_does_not_care_for_the_order_of_studios() -> None:
    sums = np.random.default_rng(2).standard_normal((2, 5, 4))
    slow = np.zeros((2, 2, 4))
    for side, sign in enumerate((1, -1)):
        for window in range(2):
            for month in range(4):
                for value in sign * sums[window, :, month]:
                    ratio = np.exp(max(value, 0.0) ** 2 / 2)
                    slow[side, window, month] += np.log(1 - AFFECTED_SHARE + AFFECTED_SHARE * ratio)
    np.testing.assert_allclose(mixture(sums), slow)
    np.testing.assert_allclose(mixture(sums[:, ::-1]), slow)


def test_the_stored_table_is_what_simulation_gives() -> None:
    size, end, _ = MIXTURE_TAILS[2]
    maxima = mixture_maxima(size, 2_000, np.random.default_rng(5))
    assert 0.003 < (maxima > end).mean() < 0.02
    assert [row[0] for row in MIXTURE_TAILS] == sorted(row[0] for row in MIXTURE_TAILS)


def test_a_path_exceeds_its_threshold_as_rarely_as_it_says() -> None:
    scores = np.random.default_rng(6).standard_normal((8_000, max(WINDOWS) + 11))
    highest = (window_sums(scores)[..., -12:] ** 2 / 2).max(axis=(0, 2))
    assert 0.006 < (highest > path_threshold(1, RARE)).mean() < 0.014
    assert (highest > path_threshold(1, RARE / 10)).mean() < 0.0025


def test_rarer_alarms_need_more() -> None:
    assert mixture_threshold(300, 0.001) > mixture_threshold(300, 0.01) > mixture_threshold(60, 0.01)


def test_a_panel_that_is_wider_than_chance_is_drawn_in_and_no_high_ratio_is_raised() -> None:
    generator = np.random.default_rng(7)
    studios = np.full(60, 100)
    usual = mixture(window_sums(generator.standard_normal((100, 60))))
    wide = mixture(window_sums(1.5 * generator.standard_normal((100, 60))))
    assert tamed(wide, studios)[..., 30:].max() < 0.6 * wide[..., 30:].max()
    high = usual > np.median(usual) + 3
    assert high.any()
    assert (tamed(usual, studios)[high] <= usual[high] + 1e-9).all()
