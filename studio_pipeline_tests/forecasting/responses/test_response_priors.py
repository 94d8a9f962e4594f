"""Priors of the responses: the posterior by hand, and against a grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.regressors import ResponsePrior, ResponsePriors


def test_the_posterior_by_hand() -> None:
    mean, deviation = ResponsePrior(-0.8, 0.6).posterior(0.4, 0.6)
    assert mean == pytest.approx(-0.2)
    assert deviation == pytest.approx(0.6 / np.sqrt(2))


@given(mean=st.floats(-2, 0), scale=st.floats(0.1, 3), estimate=st.floats(-3, 3), error=st.floats(0.1, 3))
def test_the_posterior_is_that_of_a_grid(mean: float, scale: float, estimate: float, error: float) -> None:
    found, deviation = ResponsePrior(mean, scale).posterior(estimate, error)
    grid = np.linspace(-20, 20, 40_001)
    density = np.exp(-0.5 * ((grid - mean) / scale) ** 2 - 0.5 * ((grid - estimate) / error) ** 2)
    density /= density.sum()
    expected = float(density @ grid)
    assert found == pytest.approx(expected, abs=1e-4)
    assert deviation == pytest.approx(np.sqrt(density @ (grid - expected) ** 2), rel=1e-3)


def test_the_configured_priors() -> None:
    priors = ResponsePriors.of(CoreHyperparameters(price_response_mean=-0.5, response_prior_scale=3.0))
    assert priors.prior("price") == ResponsePrior(-0.5, 0.6)
    assert priors.prior("overwork") == ResponsePrior(0.0, 3.0)
    assert priors.prior("price").effect() == LeverEffect("prior", -0.5, 0.6)


def test_an_effect_that_is_taken_as_none_is_as_uncertain_as_its_prior_is_large() -> None:
    assert ResponsePrior(-0.8, 0.6).effect(responds=False) == LeverEffect("prior", 0.0, pytest.approx(1.0))
