"""Levers carried out inexactly: the bands widen by what each lever moves, and nothing else changes."""

import numpy as np
import pytest

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.core.simulation import execution_effects
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.forecasting.fleets import answered
from studio_pipeline_tests.forecasting.hand_made_flows import PRICE_OF_100, one_studio

LEVERS = {"avg_ticket_price": 120.0, "retention_rate": 0.9, "new_members_monthly": 20.0}


def ask(forecaster: Forecaster, uncertainty: float, levers: dict[str, float] | None = None) -> Forecast:
    query = ForwardQuery(
        str(forecaster.panel.studio_ids[0]),
        projection_months=12,
        levers=LEVERS if levers is None else levers,
        compare_to_status_quo=True,
        execution_uncertainty=uncertainty,
    )
    return answered(forecaster, [query])[0]


def width(answer: Forecast) -> FloatArray:
    return np.asarray(np.diff(answer.intervals[0.9], axis=1)[:, 0])


def test_bands_widen_with_the_uncertainty_and_means_stay(forecaster: Forecaster) -> None:
    exact, some, much = (ask(forecaster, u) for u in (0.0, 0.1, 0.3))
    for less, more in ((exact, some), (some, much)):
        assert less.revenue.tobytes() == more.revenue.tobytes()
        assert (width(more) > width(less)).all()
        assert (more.confidence_score < less.confidence_score).all()
        assert np.ptp(more.total_intervals[0.9]) > np.ptp(less.total_intervals[0.9])
        assert less.status_quo is not None
        assert more.status_quo is not None
        assert more.status_quo.difference == less.status_quo.difference
        assert np.ptp(more.status_quo.difference_interval) > np.ptp(less.status_quo.difference_interval)


def test_without_given_levers_there_is_nothing_to_carry_out(forecaster: Forecaster) -> None:
    for levers in ({}, {"current_member_count": 150.0}):
        exact, uncertain = (ask(forecaster, u, levers) for u in (0.0, 0.3))
        np.testing.assert_allclose(width(uncertain), width(exact), rtol=1e-12)
        np.testing.assert_allclose(uncertain.confidence_score, exact.confidence_score, rtol=1e-12)


@pytest.mark.parametrize("uncertainty", [-0.1, 0.51, float("nan")])
def test_an_uncertainty_out_of_its_bounds_is_refused(forecaster: Forecaster, uncertainty: float) -> None:
    query = ForwardQuery(str(forecaster.panel.studio_ids[0]), execution_uncertainty=uncertainty)
    (answer,) = forecaster.forecast([query])
    assert isinstance(answer, LeverError)
    assert "execution_uncertainty" in answer.what


def test_the_effect_of_a_lever_against_arithmetic() -> None:
    """Two hundred members at 100 each who all stay: a price off by a tenth moves revenue by a tenth, and new
    members of 20 a month off by a tenth move month h by 2 h members of 200 + 20 h.
    """
    terms = one_studio({"retention": 40.0, "acquisition": -30.0, **PRICE_OF_100})
    levers = {"avg_ticket_price": np.full((1, 12), 150.0), "new_members_monthly": np.full((1, 12), 20.0)}
    price, new = execution_effects(terms, levers, np.array([0.1]))
    np.testing.assert_allclose(price[0], 0.1)
    h = np.arange(1, 13)
    np.testing.assert_allclose(new[0], 2 * h / (200 + 20 * h), rtol=1e-9)


def test_a_rate_is_off_by_a_share_of_its_odds() -> None:
    terms = one_studio({"retention": 2.0, "acquisition": -30.0, **PRICE_OF_100})
    (retention,) = execution_effects(terms, {"retention_rate": np.full((1, 12), 0.9)}, np.array([0.2]))
    assert retention[0, 0] == pytest.approx(0.2 * 0.9 * 0.1 / 0.9)
    (certain,) = execution_effects(terms, {"retention_rate": np.ones((1, 12))}, np.array([0.5]))
    assert (certain == 0).all()
