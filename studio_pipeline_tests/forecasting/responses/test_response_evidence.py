"""What responses rest on: how many studios, which threshold, and which growth of the market's prices."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from studio_pipeline.forecasting.base.flows import FlowSeries, flow_series
from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters, ResponsePrior
from studio_pipeline.forecasting.responses.candidates import Candidate
from studio_pipeline.forecasting.responses.estimation import (
    Markets,
    ResponseFit,
    estimate_responses,
    price_growth,
)
from studio_pipeline.forecasting.responses.priors import truncated
from studio_pipeline.forecasting.responses.regressors import Comfort, burden
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import with_values
from studio_pipeline_tests.forecasting.responses.test_responses import SLOPES, estimated, planted_panel

PRIORS = CoreHyperparameters().responses


def test_the_prior_gives_way_as_studios_are_added() -> None:
    few, some, many = (estimated(planted_panel(2, n_studios=n)) for n in (4, 30, 120))
    for flow, slopes in SLOPES.items():
        for name in slopes:
            shares = [effects[flow][name].prior_share for effects in (few, some, many)]
            assert shares[0] > shares[1] > shares[2], (flow, name)
            assert shares[0] > 0.05
            assert shares[2] < 0.1
            assert few[flow][name].standard_error > many[flow][name].standard_error


def test_shares_of_a_studio_s_effects_add_up() -> None:
    panel = planted_panel(2, n_studios=4)
    types = np.zeros(4, dtype=np.int64)
    responses = estimate_responses(panel, flow_series(panel), types, PRIORS)
    own = []
    for flow, slopes in SLOPES.items():
        for name in slopes:
            for studio in panel.studio_ids.tolist():
                effect = responses.effect(flow, name, studio)
                assert effect is not None
                shares = effect.studio_share, effect.others_share, effect.prior_share
                assert min(shares) >= 0
                assert sum(shares) == pytest.approx(1.0)
                own.append(effect.studio_share)
    assert max(own) > 0.1
    stranger = responses.effect("retention", "price", "nobody")
    assert stranger is not None
    assert stranger.studio_share == 0.0


def fitted(
    seed: int, n_studios: int, slope: float, thresholds: tuple[float, ...], planted: float = 0.74
) -> ResponseFit:
    """One flow that responds to crowding above a threshold, and the thresholds that are looked at."""
    rng = np.random.default_rng(seed)
    shape = (n_studios, 40)
    attendance = np.clip(rng.normal(0.72, 0.12, shape), 0.2, 1.0)
    values = 2.6 + slope * burden(attendance, planted) + rng.normal(0, 0.2, (n_studios, 1))
    values = values + rng.normal(0, 0.1, 40) + rng.normal(0, 0.15, shape)
    candidates = [Candidate("crowding", burden(attendance, rate), rate) for rate in thresholds]
    markets = Markets(
        np.zeros(n_studios, dtype=np.int64), np.arange(40) % 12, slice(0, None), np.arange(n_studios)
    )
    priors: Callable[[str], ResponsePrior | None] = partial(PRIORS.prior, "retention")
    found = ResponseFit.of(FlowSeries(values, np.zeros(shape)), candidates, markets, priors)
    assert found is not None
    return found


GRID = (0.8, 0.64, 0.66, 0.68, 0.7, 0.72, 0.74, 0.76, 0.78, 0.82, 0.84, 0.86)


@pytest.mark.parametrize("planted", [0.7, 0.74, 0.82])
def test_a_planted_threshold_is_found_in_many_months(planted: float) -> None:
    for seed in range(3):
        fit = fitted(seed, 150, -3.0, GRID, planted)
        assert fit.comfort().attendance_rate == pytest.approx(planted, abs=0.021)
        effect = fit.effects()["crowding"]
        assert abs(effect.effect + 3) < 3 * effect.standard_error


def test_a_threshold_that_is_not_known_leaves_the_slope_less_certain() -> None:
    wider = []
    for seed in range(6):
        open_, known = (fitted(seed, 6, -3.0, grid) for grid in (GRID, (0.74,)))
        errors = [fit.effects()["crowding"].standard_error for fit in (open_, known)]
        wider.append(errors[0] / errors[1])
    assert np.median(wider) > 1.1
    many = [fitted(3, 300, -3.0, grid).effects()["crowding"].standard_error for grid in (GRID, (0.74,))]
    assert many[0] == pytest.approx(many[1], rel=0.25)


def test_where_nobody_is_crowded_the_first_threshold_stays_with_the_prior() -> None:
    found = fitted(1, 6, 0.0, (1.2, 1.1, 1.3))
    assert found.comfort() == Comfort(attendance_rate=1.2)
    effect = found.effects()["crowding"]
    prior = truncated("crowding", PRIORS.crowding.mean, PRIORS.crowding.standard_deviation)
    assert (effect.effect, effect.standard_error) == pytest.approx(prior)
    assert effect.estimate is None


def with_growth(growth: float, n_studios: int, n_months: int = 48, seed: int = 1) -> StudioPanel:
    panel = planted_panel(seed, n_studios=n_studios, n_months=n_months)
    price = panel.values["avg_ticket_price"] * np.exp(growth * np.arange(n_months))
    return with_values(panel, {"avg_ticket_price": price})


@pytest.mark.parametrize("growth", [-0.002, 0.0, 0.006])
def test_the_growth_of_prices_is_found_in_many_studios(growth: float) -> None:
    found = price_growth(with_growth(growth, 120), slice(0, None))
    assert found == pytest.approx(growth, abs=0.0008)


def test_the_growth_of_one_studio_s_prices_is_half_believed() -> None:
    flat = with_growth(0.0, 1)
    steady = with_values(flat, {"avg_ticket_price": np.full((1, 48), 120.0)})
    found = price_growth(steady, slice(0, None))
    # By precision: a studio's own growth differs from its market's by 0.003, the market's usually by 0.002.
    assert found == pytest.approx(0.0025 * 0.003**2 / (0.003**2 + 0.002**2))
    few, many = (price_growth(with_growth(0.01, n), slice(0, None)) for n in (1, 120))
    assert 0.0025 < few < many


def test_the_growth_of_prices_in_few_months_or_none_is_the_usual_one() -> None:
    panel = with_growth(0.02, 30)
    assert price_growth(panel.until(11), slice(0, None)) == 0.0025
    unknown = with_values(panel, {"avg_ticket_price": np.full((30, 48), np.nan)})
    assert price_growth(unknown, slice(0, None)) == 0.0025
    for damaged in (0.0, np.nan):
        price = panel.values["avg_ticket_price"].copy()
        price[:, 20:30] = damaged
        price[0] = damaged
        found = price_growth(with_values(panel, {"avg_ticket_price": price}), slice(0, None))
        assert found == pytest.approx(price_growth(panel, slice(0, None)), abs=1e-3)


def test_the_growth_of_prices_does_not_know_the_currency_and_is_among_the_responses() -> None:
    panel = with_growth(0.004, 30)
    doubled = with_values(panel, {"avg_ticket_price": 2 * panel.values["avg_ticket_price"]})
    found = price_growth(panel, slice(0, None))
    assert price_growth(doubled, slice(0, None)) == pytest.approx(found, rel=1e-9)
    types = np.zeros(30, dtype=np.int64)
    assert estimate_responses(panel, flow_series(panel), types, PRIORS).price_growth == found
