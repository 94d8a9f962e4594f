"""Generalised least squares of the responses, against oracles that spell every effect out."""

from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.gls import (
    ErrorComponents,
    PanelRows,
    Regression,
    error_components,
    information,
    without_effects,
)
from studio_pipeline.forecasting.responses.partial_pooling import own_responses, shrunk
from studio_pipeline.forecasting.responses.priors import posterior
from studio_pipeline.panel.arrays import FloatArray

COMPONENTS = ErrorComponents(noise=0.02, deviation=0.03, persistence=0.7, walk=0.002, season=0.01)


def simulated(
    seed: int,
    slopes: list[float],
    n_studios: int = 40,
    n_months: int = 36,
    components: ErrorComponents = COMPONENTS,
    spread: float = 0.0,
) -> PanelRows:
    """Studios with errors of `components`, gaps, two groups with markets, and slopes that may differ."""
    rng = np.random.default_rng(seed)
    shape = (n_studios, n_months)
    calendar = np.arange(n_months) % 12
    groups = np.arange(n_studios) % 2
    counting = rng.uniform(0.005, 0.02, n_studios)
    regressors = rng.normal(0, 0.1, (len(slopes), *shape)).cumsum(2)
    own = np.array(slopes)[:, None] + spread * rng.normal(size=(len(slopes), n_studios))
    covariance = components.covariance(calendar) + components.noise * np.eye(n_months)
    errors = rng.multivariate_normal(np.zeros(n_months), covariance, n_studios)
    errors += rng.normal(size=shape) * np.sqrt(counting)[:, None] + rng.normal(0, 2, (n_studios, 1))
    outcome = np.einsum("ks,kst->st", own, regressors) + errors + rng.normal(0, 0.5, (2, n_months))[groups]
    return PanelRows(outcome, regressors, rng.random(shape) < 0.9, counting, groups, calendar)


def by_dummies(rows: PanelRows, components: ErrorComponents) -> tuple[FloatArray, FloatArray]:
    """Slopes and errors of one big regression with a dummy for each studio and each group's month."""
    studios, months = np.nonzero(rows.known)
    columns = [x[studios, months] for x in rows.regressors]
    columns += [(studios == s).astype(float) for s in range(len(rows.known))]
    cells = rows.groups[studios] * rows.known.shape[1] + months
    columns += [(cells == cell).astype(float) for cell in np.unique(cells)[1:]]
    design = np.stack(columns, 1)
    covariance = components.covariance(rows.calendar_months)[months[:, None], months]
    covariance = np.where(studios[:, None] == studios, covariance, 0.0)
    covariance += np.diag(components.noise + rows.counting[studios])
    inverse = np.linalg.inv(covariance)
    gram = np.linalg.pinv(design.T @ inverse @ design, hermitian=True)
    slopes = gram @ design.T @ inverse @ rows.outcome[studios, months]
    kept = len(rows.regressors)
    return slopes[:kept], np.sqrt(np.diag(gram)[:kept])


def test_slopes_are_those_of_a_regression_with_a_dummy_for_every_effect() -> None:
    rows = simulated(1, [-1.0, 0.5], n_studios=8, n_months=15)
    slopes, errors = by_dummies(rows, COMPONENTS)
    found = information(rows, COMPONENTS)
    np.testing.assert_allclose(found.slopes([0, 1]).slope, slopes, rtol=1e-6)
    inverse = np.linalg.inv(found.gram.sum(0))
    np.testing.assert_allclose(np.sqrt(np.diag(inverse)), errors, rtol=1e-6)


def test_given_the_market_studios_can_be_asked_by_themselves() -> None:
    rows = simulated(2, [-1.0])
    whole = information(rows, COMPONENTS)
    half = rows.select(np.arange(20, 40))
    np.testing.assert_allclose(information(half, COMPONENTS, whole.market).gram, whole.gram[20:])


def test_standard_errors_are_a_jackknife_that_leaves_out_a_studio_with_its_market() -> None:
    rows = simulated(4, [-1.0, 0.5], n_studios=10, n_months=15)
    found = information(rows, COMPONENTS)
    without = []
    for studio in range(10):
        others = rows.select(np.delete(np.arange(10), studio))
        without.append(by_dummies(others, COMPONENTS)[0])
        np.testing.assert_allclose(
            np.linalg.solve(found.of_others[studio, :2, :2], found.of_others[studio, :2, 2]),
            without[-1],
            rtol=1e-6,
        )
    result = found.slopes([0, 1])
    jackknife = np.sqrt(0.9 * ((np.array(without) - result.slope) ** 2).sum(0))
    model = np.sqrt(np.diag(np.linalg.inv(found.gram.sum(0))) * result.scale)
    np.testing.assert_allclose(result.standard_error, np.maximum(jackknife, model), rtol=1e-5)


def test_what_one_studio_alone_moved_is_not_significant() -> None:
    rows = simulated(5, [-3.0])
    alone = np.where(np.arange(40)[None, :, None] == 0, rows.regressors, 0.0)
    outcome = rows.outcome + 3 * rows.regressors[0] - 3 * alone[0]
    result = information(replace(rows, outcome=outcome, regressors=alone), COMPONENTS).slopes([0])
    assert np.isfinite(result.standard_error[0])
    assert result.standard_error[0] > 0.9 * abs(result.slope[0])


@pytest.mark.parametrize("seeds", [30, pytest.param(150, marks=pytest.mark.campaign)])
def test_standard_errors_are_about_as_large_as_errors_where_few_studios_move_a_lever(seeds: int) -> None:
    """The variance is right on average; the ratio of a single slope to its error still has a t's tails."""
    errors, squares, without_correction = [], [], []
    for seed in range(seeds):
        rows = simulated(seed, [-1.0], n_studios=16, spread=0.5)
        few = np.where(np.arange(16)[None, :, None] < 8, 3.0, 0.3) * rows.regressors
        own = rows.outcome + (few - rows.regressors)[0] * -1.0
        found = information(replace(rows, outcome=own, regressors=few), COMPONENTS)
        result = found.slopes([0])
        errors.append(result.slope[0] + 1)
        squares.append(result.standard_error[0] ** 2)
        of_studio = (found.score - found.gram[:, :, 0] * result.slope)[:, 0]
        without_correction.append((of_studio**2).sum() / found.gram.sum() ** 2)
    actual, squared = np.mean(np.square(errors)), np.mean(squares)
    low, high = (0.75, 1.5) if seeds > 100 else (0.7, 1.6)
    assert low < squared / actual < high
    assert np.mean(without_correction) < 0.7 * (actual if seeds > 100 else squared)


def test_a_variogram_tells_the_components_apart() -> None:
    rows = simulated(3, [0.0], n_studios=600, n_months=60)
    residual = without_effects(rows)[-1]
    found = error_components(rows, residual)
    lag = np.arange(1, 13)
    truth, fitted = (
        c.noise + c.deviation * (1 - c.persistence**lag) + c.walk * lag / 2 + c.season * (lag % 12 != 0)
        for c in (COMPONENTS, found)
    )
    np.testing.assert_allclose(fitted, truth, rtol=0.12)


def test_the_likelihood_is_as_wide_as_the_standard_errors() -> None:
    rows = simulated(5, [-1.0, 0.5], n_studios=30)
    precision, pull, slopes = information(rows, COMPONENTS).likelihood([0, 1])
    np.testing.assert_allclose(np.linalg.solve(precision, pull), slopes.slope, rtol=1e-9)
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(precision))), slopes.standard_error, rtol=1e-9)
    flat = posterior(precision, pull, [None, None])
    np.testing.assert_allclose(flat.mean, slopes.slope, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(flat.covariance)), slopes.standard_error, rtol=1e-6)


def test_what_did_not_move_says_nothing() -> None:
    rows = simulated(6, [-1.0, 0.0])
    still = np.stack([rows.regressors[0], np.ones_like(rows.outcome)])
    info = information(replace(rows, regressors=still), COMPONENTS)
    precision, pull, slopes = info.likelihood([0, 1])
    assert abs(precision[1]).max() < 1e-9 * precision[0, 0]
    assert abs(pull[1]) < 1e-9 * abs(pull[0])
    regression = Regression(rows, COMPONENTS, info, ("price", "overwork"), [0, 1], slopes)
    assert regression.has_moved(0)
    assert not regression.has_moved(1)


def test_own_slopes_by_hand() -> None:
    slopes, errors = shrunk(-1.0, 0.3, np.array([0.8, -0.8, 0.0]), np.array([0.04, 0.36, 1e9]), 0.12)
    np.testing.assert_allclose(slopes, [-1 + 0.75 * 0.8, -1 - 0.25 * 0.8, -1.0], rtol=1e-6)
    np.testing.assert_allclose(errors**2, 0.09 + 0.12 * np.array([0.25, 0.75, 1.0]), rtol=1e-6)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_studios_differ_only_where_their_slopes_do(spread: float) -> None:
    rows = simulated(9, [-1.5], n_studios=120, n_months=48, spread=spread)
    names = np.array([f"s{k:03d}" for k in range(120)])
    still = rows.regressors.copy()
    still[:, :30] = 0.0
    outcome = rows.outcome + (still - rows.regressors)[0] * -1.5
    moved = replace(rows, outcome=outcome, regressors=still)
    info = information(moved, COMPONENTS)
    regression = Regression(moved, COMPONENTS, info, ("price",), [0], info.slopes([0]))
    pool = LeverEffect(-1.5, 0.05, others_share=0.9)
    own = own_responses(regression, {"price": pool}, names)["price"]
    assert set(own.studios) <= set(names[30:])
    assert len(own.shares) == len(own.studios)
    assert all(0.01 < share < 1 for share in own.shares)
    if not spread:
        # Each of ninety studios has about a ninetieth of what the panel knows.
        assert (own.slopes, own.errors) == ((), ())
        assert sum(own.shares) <= 0.9
        return
    assert set(own.studios) == set(names[30:])
    assert np.std(own.slopes) == pytest.approx(spread, rel=0.3)
    assert max(own.slopes) <= 0.0
    assert len(own.errors) == len(own.slopes)
    assert np.mean(own.shares) > 0.5


def test_one_of_few_studios_is_a_large_part_of_what_the_panel_knows() -> None:
    names = np.array([f"s{k:03d}" for k in range(40)])
    shares = []
    for studios in (4, 10, 40):
        rows = simulated(9, [-1.5]).select(np.arange(studios))
        info = information(rows, COMPONENTS)
        regression = Regression(rows, COMPONENTS, info, ("price",), [0], info.slopes([0]))
        pool = {"price": LeverEffect(-1.5, 0.05, others_share=0.9)}
        own = own_responses(regression, pool, names[:studios])["price"]
        assert own.slopes == ()
        assert 0.8 < sum(own.shares) <= 0.9 + 1e-6
        shares.append(max(own.shares))
    assert shares[0] > shares[1] > shares[2]
