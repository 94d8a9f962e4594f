"""The common error on residuals whose market is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.hyperparameters import IntervalHyperparameters
from studio_pipeline.forecasting.intervals.market_factor import common_covariance, split_common
from studio_pipeline.panel.arrays import FloatArray, IntArray
from studio_pipeline_tests.forecasting.simulated_errors import summed

HORIZONS = 12


def market_and_own(
    seed: int, n_months: int, n_studios: int, persistence: float = 1.0
) -> tuple[FloatArray, IntArray]:
    """Residuals of studios that share a market: steps of 0.01 of the market, of 0.03 of their own."""
    rng = np.random.default_rng(seed)
    months = np.repeat(np.arange(n_months), n_studios)
    common = 0.01 * rng.standard_normal((n_months, HORIZONS))[months]
    own = 0.03 * rng.standard_normal((len(months), HORIZONS))
    return summed(common + own, persistence), months


def believing(spans: float = 0.0, half_life: float = 1000.0) -> IntervalHyperparameters:
    return IntervalHyperparameters(
        half_life_months=half_life, market_prior_spans=spans, market_prior_months=0.0
    )


def covariance_of(residuals: FloatArray, months: IntArray, spans: float = 0.0) -> FloatArray:
    """Of months that count alike, as far as the oldest are concerned half of the latest."""
    return common_covariance(split_common(residuals, months), believing(spans))


def test_an_autoregressive_market_s_variances_are_recovered() -> None:
    persistence = 0.8
    residuals, months = market_and_own(1, 1500, 12, persistence)
    steps = np.arange(1, HORIZONS + 1)
    truth = 0.01**2 * (1 - persistence ** (2 * steps)) / (1 - persistence**2)
    np.testing.assert_allclose(np.diag(covariance_of(residuals, months)), truth, rtol=0.12)


def test_a_walking_market_s_covariance_is_recovered() -> None:
    residuals, months = market_and_own(2, 1500, 12)
    steps = np.arange(1, HORIZONS + 1)
    truth = 0.01**2 * np.minimum.outer(steps, steps)
    np.testing.assert_allclose(covariance_of(residuals, months), truth, rtol=0.2)


def test_own_errors_lose_the_market_and_nothing_else() -> None:
    residuals, months = market_and_own(3, 30, 40)
    split = split_common(residuals, months)
    np.testing.assert_allclose(split.own + split.common[months], residuals)
    assert np.abs(split.own.reshape(30, 40, HORIZONS).mean(1)).max() < 0.02


def test_counting_few_studios_is_not_taken_for_a_market() -> None:
    rng = np.random.default_rng(4)
    residuals, months = 0.1 * rng.standard_normal((400 * 10, HORIZONS)), np.repeat(np.arange(400), 10)
    assert np.sqrt(np.diag(covariance_of(residuals, months))).max() < 0.02


def test_months_that_few_share_are_left_whole() -> None:
    residuals, months = market_and_own(5, 20, 5)
    split = split_common(residuals, months)
    np.testing.assert_array_equal(split.own, residuals)
    assert np.isnan(split.common).all()
    assert not covariance_of(residuals, months).any()


def test_a_year_that_was_seen_once_counts_less_than_its_months() -> None:
    """A drift over two years of origins: with prior spans the year ahead is nearer to the market's walk."""
    n_months = 24
    months = np.repeat(np.arange(n_months), 30)
    drift = np.tile(0.01 * np.arange(1, HORIZONS + 1), (len(months), 1))
    residuals = drift + 1e-3 * np.random.default_rng(6).standard_normal(drift.shape)
    seen, shrunk = (np.sqrt(covariance_of(residuals, months, spans)[-1, -1]) for spans in (0.0, 8.0))
    walk = 0.01 * np.sqrt(HORIZONS)
    assert seen == pytest.approx(0.12, rel=0.01)
    assert walk < shrunk < 0.7 * seen


def test_where_a_market_is_only_supposed_its_months_go_on_a_little() -> None:
    """An oracle that draws the walk's steps one after the other."""
    residuals, months = market_and_own(8, 40, 30)
    supposed = covariance_of(residuals, months, 1000.0)
    rng = np.random.default_rng(9)
    step, place = rng.standard_normal(200_000), np.zeros(200_000)
    deviations = []
    for _ in range(HORIZONS):
        place = place + step
        deviations.append(place.std())
        step = 0.15 * step + np.sqrt(1 - 0.15**2) * rng.standard_normal(len(step))
    shape = np.sqrt(np.diag(supposed) / supposed[0, 0])
    np.testing.assert_allclose(shape, np.array(deviations), rtol=0.01)


def test_recent_months_count_more() -> None:
    n_months = 60
    months = np.repeat(np.arange(n_months), 30)
    size = np.where(np.arange(n_months) < 40, 0.05, 0.005)
    common = (size * np.random.default_rng(7).standard_normal(n_months))[months]
    residuals = np.tile(common[:, None], HORIZONS)
    split = split_common(residuals, months)
    short, long = (common_covariance(split, believing(half_life=age))[0, 0] for age in (5, 1000))
    assert short < 0.2 * long


def test_the_prior_of_a_market_s_step_by_hand() -> None:
    """Twelve months of a market that stands still, and twelve of the prior: half its variance a step."""
    months = np.repeat(np.arange(12), 30)
    still = np.zeros((len(months), HORIZONS))
    hyperparameters = IntervalHyperparameters(
        half_life_months=1000.0,
        market_prior_spans=1000.0,
        market_prior_deviation=0.02,
        market_prior_months=12.0,
    )
    found = common_covariance(split_common(still, months), hyperparameters)
    # Of a thousand spans of the prior's walk and twelve of nothing.
    assert found[0, 0] == pytest.approx(0.02**2 / 2 * 1000 / 1012, rel=0.01)
    assert found[-1, -1] > 10 * found[0, 0]
    without = hyperparameters.model_copy(update={"market_prior_months": 0.0})
    assert not common_covariance(split_common(still, months), without).any()


@given(st.integers(0, 50), st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_a_covariance_is_one_and_scales_with_the_errors(seed: int, factor: float) -> None:
    residuals, months = market_and_own(seed, 15, 12)
    covariance = covariance_of(residuals, months, 8.0)
    np.testing.assert_allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > -1e-12
    np.testing.assert_allclose(
        covariance_of(factor * residuals, months, 8.0), factor**2 * covariance, atol=1e-12
    )
