"""Priors of the responses: the truncated normal and the posterior, against grids and closed forms."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters, ResponsePrior
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.priors import BURDENS, posterior, prior_effect, truncated
from studio_pipeline.forecasting.responses.regressors import REGRESSORS_OF
from studio_pipeline.panel.arrays import FloatArray

PRIORS = CoreHyperparameters().responses
NAMES = ("price", "crowding", "overwork", "fullness", "classes")


@pytest.mark.parametrize("name", NAMES)
@given(mean=st.floats(-3, 3), deviation=st.floats(0.2, 3))
def test_a_truncated_normal_is_that_of_a_grid(name: str, mean: float, deviation: float) -> None:
    side = -1 if name in BURDENS else 1
    assume(side * mean > -4 * deviation)
    found, spread = truncated(name, mean, deviation)
    inside = side * (np.arange(40_000) + 0.5) / 40_000 * (abs(mean) + 8 * deviation)
    density = np.exp(-0.5 * ((inside - mean) / deviation) ** 2)
    density /= density.sum()
    expected = float(density @ inside)
    assert found == pytest.approx(expected, rel=1e-4)
    assert spread == pytest.approx(np.sqrt(density @ (inside - expected) ** 2), rel=1e-3)


@given(st.sampled_from(NAMES), st.floats(-1e4, 1e4), st.floats(1e-3, 10))
def test_a_truncated_normal_is_finite_however_far_out_and_never_wrong_in_sign(
    name: str, mean: float, deviation: float
) -> None:
    found, spread = truncated(name, mean, deviation)
    side = -1 if name in BURDENS else 1
    assert np.isfinite([found, spread]).all()
    assert side * found >= 0
    assert spread > 0
    if side * mean > -200 * deviation:
        assert spread <= deviation
    if side * mean > 8 * deviation:
        assert (found, spread) == (pytest.approx(mean), pytest.approx(deviation))


PAIRS = arrays(float, 2, elements=st.floats(0.1, 3))


@given(errors=PAIRS, scales=PAIRS, estimates=PAIRS, means=PAIRS, correlation=st.floats(-0.95, 0.95))
@example(np.array([0.3, 2.0]), np.array([1.0, 0.5]), np.array([0.4, 3.0]), np.array([1.0, 2.0]), 0.0)
def test_the_posterior_of_two_slopes_is_in_closed_form(
    errors: FloatArray, scales: FloatArray, estimates: FloatArray, means: FloatArray, correlation: float
) -> None:
    """As a Kalman update does it: the prior's covariance over the sum of both."""
    estimates = estimates * [1, -1]
    sampling = np.outer(errors, errors) * [[1, correlation], [correlation, 1]]
    gram, before = np.linalg.inv(sampling), np.diag(scales**2)
    priors = [ResponsePrior(mean=m, standard_deviation=s) for m, s in zip(means, scales, strict=True)]
    found = posterior(gram, gram @ estimates, priors)
    gain = before @ np.linalg.inv(sampling + before)
    expected = means + gain @ (estimates - means)
    np.testing.assert_allclose(found.mean, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.covariance, before - gain @ before, rtol=1e-5, atol=1e-8)
    assert ((found.prior_shares >= 0) & (found.prior_shares <= 1)).all()
    if correlation == 0:
        # What the prior weighs in the precision is what it weighs in the mean.
        shares = found.prior_shares
        np.testing.assert_allclose(shares * means + (1 - shares) * estimates, expected, atol=1e-8)


def test_evidence_is_the_density_of_the_estimates_up_to_a_constant() -> None:
    """Two designs of one outcome: their log evidences differ as the densities of the outcome do."""
    rng = np.random.default_rng(1)
    designs, outcome = rng.normal(size=(2, 30)), rng.normal(size=30)
    prior = ResponsePrior(mean=-0.5, standard_deviation=0.7)
    found, expected = [], []
    for x in designs:
        found.append(posterior(np.array([[x @ x]]), np.array([x @ outcome]), [prior]).log_evidence)
        covariance = np.eye(30) + 0.7**2 * np.outer(x, x)
        left = outcome + 0.5 * x
        expected.append(
            -0.5 * left @ np.linalg.solve(covariance, left) - 0.5 * np.linalg.slogdet(covariance)[1]
        )
    assert found[0] - found[1] == pytest.approx(expected[0] - expected[1])


def test_months_that_say_nothing_leave_the_prior() -> None:
    nothing = posterior(np.zeros((1, 1)), np.zeros(1), [PRIORS.price])
    assert nothing.mean[0] == pytest.approx(PRIORS.price.mean)
    assert np.sqrt(nothing.covariance[0, 0]) == pytest.approx(PRIORS.price.standard_deviation)
    assert nothing.prior_shares[0] == 1.0


def test_the_configured_priors() -> None:
    changed = {"price": {"mean": -0.5, "standard_deviation": 0.3}, "joining": PRIORS.joining}
    priors = CoreHyperparameters.model_validate({"responses": changed}).responses
    for flow in ("retention", "acquisition"):
        assert priors.prior(flow, "price") == ResponsePrior(mean=-0.5, standard_deviation=0.3)
    assert priors.prior("retention", "overwork") == PRIORS.overwork
    assert (
        priors.prior("acquisition", "overwork") == priors.prior("acquisition", "crowding") == PRIORS.joining
    )
    assert priors.prior("visits", "classes") == PRIORS.classes
    assert priors.prior("utilization", "classes") == PRIORS.workload
    for control in ("members", "timetable", "visits", "heads"):
        assert priors.prior("retention", control) is None
        with pytest.raises(ValueError, match=control):
            prior_effect(priors, "retention", control)


def test_every_response_has_a_prior_that_economics_allows() -> None:
    for flow, regressors in REGRESSORS_OF.items():
        for name in regressors:
            effect = prior_effect(PRIORS, flow, name)
            assert (effect.effect < 0) == (name in BURDENS), (flow, name)
            assert effect.source == "prior"
            assert effect.prior_share == 1.0
            assert effect.estimate is None


def test_an_effect_that_is_taken_as_none_is_as_uncertain_as_its_prior_is_large() -> None:
    assert LeverEffect(-0.8, 0.6, 0.2, 0.3, -1.0).taken_as_none() == LeverEffect(0.0, pytest.approx(1.0))


@given(studio=st.floats(0, 1), others=st.floats(0, 1))
def test_shares_add_up_and_the_largest_is_the_source(studio: float, others: float) -> None:
    assume(studio + others <= 1)
    effect = LeverEffect(-1.0, 0.1, studio, others)
    shares = {"data": effect.studio_share, "pooled": effect.others_share, "prior": effect.prior_share}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares[effect.source] == max(shares.values())
