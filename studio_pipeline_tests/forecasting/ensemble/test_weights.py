"""Ensemble weights: a mixture that is found where there are data, and the prior where there are none."""

import numpy as np
import pytest

from studio_pipeline.forecasting.backtest.core_backtest import fit_core
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.hyperparameters import (
    LEARNERS,
    MAX_HORIZON_MONTHS,
    BacktestHyperparameters,
    WeightHyperparameters,
)
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES, combine
from studio_pipeline.forecasting.ensemble.weights import fit_weights, target_weights
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.forecasting.fleets import (
    CONFIGURATION,
    generated_panel,
    small_fleet,
    without_columns,
)

CORE, DIRECT, XGBOOST, PERSISTENCE = (
    CANDIDATES.index(name) for name in ("core", "direct", "xgboost", "persistence")
)
PRIOR = {"core": 0.2, "direct": 0.1, "smoothing": 0.2, "persistence": 0.25, "seasonal_naive": 0.25}
WITH_MEMBERS = {"core": 0.95, "direct": 0.01, "smoothing": 0.02, "persistence": 0.01, "seasonal_naive": 0.01}


def made_up(best: int | tuple[int, int], n: int = 2000, error: float = 0.1) -> tuple[FloatArray, ...]:
    """Forecasts of which one, or the mean of two, is nearly right; the others miss independently."""
    rng = np.random.default_rng(2)
    last = rng.uniform(1e4, 1e5, n)
    actual = last[:, None] * np.exp(rng.normal(0, 0.1, (n, MAX_HORIZON_MONTHS)))
    stack = actual * np.exp(rng.normal(0, error, (len(CANDIDATES), *actual.shape)))
    if isinstance(best, tuple):
        off = actual * rng.normal(0, error, actual.shape)
        stack[best[0]], stack[best[1]] = actual + off, actual - off
    else:
        stack[best] = actual * np.exp(rng.normal(0, 0.005, actual.shape))
    return stack, actual, np.zeros(n, dtype=np.int64)


def in_form(weights: FloatArray) -> None:
    assert weights.shape == (MAX_HORIZON_MONTHS, len(CANDIDATES))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1)


@pytest.mark.parametrize("best", [CORE, XGBOOST, PERSISTENCE])
def test_a_planted_best_candidate_is_found(best: int) -> None:
    weights = target_weights(*made_up(best), WeightHyperparameters())
    in_form(weights)
    assert (weights[:, best] > 0.7).all()
    without_prior = target_weights(*made_up(best), WeightHyperparameters(prior_months=0))
    assert (without_prior[:, best] > 0.95).all()


def test_two_that_miss_on_opposite_sides_share() -> None:
    weights = target_weights(*made_up((DIRECT, XGBOOST)), WeightHyperparameters(prior_months=1))
    in_form(weights)
    np.testing.assert_allclose(weights[:, [DIRECT, XGBOOST]], 0.5, atol=0.03)


def test_without_data_it_is_the_prior() -> None:
    stack, actual, columns = made_up(XGBOOST)
    unknown = np.full_like(actual, np.nan)
    nothing = target_weights(stack[:, :0], actual[:0], columns[:0], WeightHyperparameters())
    of_nothing = target_weights(stack, unknown, columns, WeightHyperparameters())
    for weights in (nothing, of_nothing):
        in_form(weights)
        expected = [PRIOR.get(name, 0.0) for name in CANDIDATES]
        np.testing.assert_allclose(weights, np.tile(expected, (MAX_HORIZON_MONTHS, 1)))
    in_form(target_weights(np.full_like(stack, np.nan), unknown, columns, WeightHyperparameters()))


def test_the_prior_yields_as_data_come_in() -> None:
    stack, actual, columns = made_up(XGBOOST)
    found = [
        target_weights(stack[:, :n], actual[:n], columns[:n], WeightHyperparameters())[:, XGBOOST]
        for n in (20, 200, 2000)
    ]
    assert (found[0] < found[1]).all()
    assert (found[1] < found[2]).all()
    stronger = target_weights(stack, actual, columns, WeightHyperparameters(prior_months=1e4))
    assert (stronger[:, XGBOOST] < found[2]).all()


def test_a_candidate_that_is_never_there_gets_nothing() -> None:
    stack, actual, columns = made_up(XGBOOST)
    stack[XGBOOST] = np.nan
    weights = target_weights(stack, actual, columns, WeightHyperparameters())
    in_form(weights)
    assert (weights[:, XGBOOST] == 0).all()


def test_a_horizon_leans_on_its_neighbours_alone() -> None:
    stack, actual, columns = made_up(XGBOOST)
    late = actual.copy()
    late[:, :10] = np.nan
    weights = target_weights(stack, late, columns, WeightHyperparameters())
    assert (weights[9:, XGBOOST] > 0.6).all()
    np.testing.assert_allclose(weights[0, CORE], PRIOR["core"])


def test_fitted_weights_are_in_form_for_serving_and_for_every_fold() -> None:
    fleet = small_fleet()
    for target in TARGETS:
        for fold in (None, *range(len(fleet.core.folds))):
            in_form(fleet.weights.matrix(target, fold))
        # The first fold has the weights that the second may use.
        np.testing.assert_array_equal(fleet.weights.matrix(target, 0), fleet.weights.matrix(target, 1))


@pytest.mark.parametrize(
    ("gone", "prior"),
    [((), WITH_MEMBERS), (("new_members", "churned_members", "retention_rate"), PRIOR)],
    ids=["with members", "without"],
)
def test_an_only_fold_has_the_prior(gone: tuple[str, ...], prior: dict[str, float]) -> None:
    once = CONFIGURATION.model_copy(update={"backtest": BacktestHyperparameters(folds=1)})
    core = fit_core(without_columns(generated_panel(8, 30), gone), once)
    assert len(core.folds) == 1
    matrix = fit_weights(core, [], once).matrix("revenue", 0)
    np.testing.assert_allclose(matrix, np.tile([prior.get(n, 0.0) for n in CANDIDATES], (12, 1)))


def with_a_shared_market(n_months: int, n_studios: int) -> tuple[FloatArray, ...]:
    """Persistence is nearly right, the core misses each month's market; all studios of a month alike."""
    rng = np.random.default_rng(3)
    columns = np.repeat(np.arange(n_months), n_studios)
    last = rng.uniform(1e4, 1e5, len(columns))
    actual = np.tile(last[:, None], MAX_HORIZON_MONTHS)
    market = rng.normal(0, 0.05, (len(CANDIDATES), n_months, MAX_HORIZON_MONTHS))[:, columns]
    own = rng.normal(0, 0.005, (len(CANDIDATES), *actual.shape))
    stack = actual * np.exp(market + own)
    stack[PERSISTENCE] = actual * np.exp(own[PERSISTENCE])
    stack[[CANDIDATES.index(name) for name in LEARNERS]] = np.nan
    return stack, actual, columns


def test_with_members_it_is_the_number_of_months_that_counts_and_not_that_of_studios() -> None:
    forever = WeightHyperparameters(half_life_months=1e6)
    few, some, many = (
        target_weights(*with_a_shared_market(months, 10), forever, True) for months in (2, 20, 200)
    )
    for weights in (few, some, many):
        in_form(weights)
    assert (few[:, CORE] > 0.5).all()
    assert (few[:, PERSISTENCE] < some[:, PERSISTENCE]).all()
    assert (some[:, PERSISTENCE] < many[:, PERSISTENCE]).all()
    assert (many[:, PERSISTENCE] > 0.7).all()
    of_more_studios = target_weights(*with_a_shared_market(2, 300), forever, True)
    np.testing.assert_allclose(of_more_studios[:, CORE], few[:, CORE], atol=0.15)
    plain = target_weights(*with_a_shared_market(2, 10), forever)
    assert (plain[:, PERSISTENCE] > few[:, PERSISTENCE]).all()


@pytest.mark.parametrize(
    ("unknown", "expected"), [(0, [15.0, 15.0]), (1, [20.0, 15.0]), (2, [40.0, 15.0]), (3, [np.nan, 15.0])]
)
def test_the_mean_of_what_is_known(unknown: int, expected: list[float]) -> None:
    """An unknown forecast leaves its weight to the others, the last to one without any."""
    stack = np.array([10.0, 20.0, 40.0])[:, None, None] * np.ones((3, 2, 1))
    stack[:unknown, 0] = np.nan
    np.testing.assert_allclose(combine(stack, np.array([[0.5, 0.5, 0.0]]))[:, 0], expected)


def test_recent_origins_count_more_than_old_ones() -> None:
    """Persistence was right in the first year, the core in the last: the memory says which is believed."""
    early, actual, _ = made_up(PERSISTENCE, n=1000)
    late, actual_late, _ = made_up(CORE, n=1000)
    stack, outcome = np.concatenate([early, late], 1), np.concatenate([actual, actual_late])
    columns = np.repeat([0, 36], 1000)
    short = target_weights(stack, outcome, columns, WeightHyperparameters(half_life_months=6))
    long = target_weights(stack, outcome, columns, WeightHyperparameters(half_life_months=1e6))
    assert (short[:, CORE] > 0.7).all()
    assert (short[:, CORE] > long[:, CORE] + 0.1).all()


def test_learners_must_earn_their_place() -> None:
    """A learner that is a hair better than the core is not asked; one that is clearly better is."""
    stack, actual, columns = made_up(CORE, n=1000, error=0.1)
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 0.05, actual.shape)
    stack[CORE] = actual * np.exp(noise)
    stack[[CANDIDATES.index(name) for name in ("lightgbm", "random_forest")]] = np.nan
    for share, is_asked in ((0.998, False), (0.7, True)):
        stack[XGBOOST] = actual * np.exp(share * noise)
        weights = target_weights(stack, actual, columns, WeightHyperparameters(prior_months=0))
        in_form(weights)
        assert weights[:, XGBOOST].any() == is_asked
    free = WeightHyperparameters(prior_months=0, least_learner_gain=0.0)
    stack[XGBOOST] = actual * np.exp(0.998 * noise)
    assert target_weights(stack, actual, columns, free)[:, XGBOOST].any()
