"""Fitting the core: settings of a flow's filter, on flows whose truth is planted, and responses."""

from dataclasses import replace

import numpy as np

from studio_pipeline.forecasting.base.flows import FLOW_LINKS, flow_series
from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.core.filter_tuning import FlowSample, rolling_error, starting_settings, tune
from studio_pipeline.forecasting.core.fitting import fit_core_parameters
from studio_pipeline.forecasting.responses.estimation import estimate_responses
from studio_pipeline_tests.forecasting.fleets import generated_panel

CALENDAR = np.arange(60) % 12
SEASON = 0.3 * np.cos(2 * np.pi * np.arange(12) / 12)


def sample(market: np.ndarray, amplitude_spread: float = 0.0, n_studios: int = 40) -> FlowSample:
    """Studios with levels of their own, small noise, one season and one market."""
    rng = np.random.default_rng(3)
    level = rng.normal(0, 0.5, (n_studios, 1)) + rng.normal(0, 0.01, (n_studios, 60)).cumsum(1)
    amplitude = 1 + rng.normal(0, amplitude_spread, (n_studios, 1))
    noise = rng.normal(0, 0.05, (n_studios, 60))
    values = level + amplitude * SEASON[CALENDAR] + market + noise
    season = np.tile(SEASON, (n_studios, 1))
    return FlowSample(values, np.zeros_like(values), np.zeros(n_studios), season, CALENDAR)


def test_a_market_that_wanders_is_followed_and_its_year_s_turn_does_not_change_that() -> None:
    """A shock that is made up for later looks, a year ahead, as if it should not have been followed."""
    wandering = np.random.default_rng(8).normal(0, 0.05, 60).cumsum()
    wandering[20:32] -= 0.6
    flow = sample(wandering)
    assert tune(flow, starting_settings(flow), 3).common_gain >= 0.8


def test_a_market_without_memory_is_not_followed() -> None:
    flow = sample(np.random.default_rng(9).normal(0, 0.15, 60))
    assert tune(flow, starting_settings(flow), 3).common_gain <= 0.2


def test_amplitudes_are_told_apart_only_where_they_differ() -> None:
    calm = np.zeros(60)
    alike, different = sample(calm), sample(calm, amplitude_spread=0.4)
    assert tune(alike, starting_settings(alike), 3).amplitude_variance <= 0.03
    assert tune(different, starting_settings(different), 3).amplitude_variance >= 0.03


def test_own_errors_do_not_know_the_market() -> None:
    start = starting_settings(sample(np.zeros(60)))
    settings = [replace(start, common_gain=0.0, own_season_months=1e9, clip_threshold=1e9)]
    shifted = np.random.default_rng(5).normal(0, 0.2, 60).cumsum()
    calm, moved = sample(np.zeros(60)), sample(shifted)
    np.testing.assert_allclose(
        rolling_error(moved, settings, (1, 3), True), rolling_error(calm, settings, (1, 3), True), rtol=1e-6
    )
    whole = [rolling_error(flow, settings, (1, 3), False) for flow in (moved, calm)]
    assert abs(whole[0] - whole[1]) > 0.05


def test_no_rounds_leave_the_start_alone() -> None:
    flow = sample(np.zeros(60))
    start = starting_settings(flow)
    assert tune(flow, start, 0) == start


def test_responses_are_those_of_the_months_the_types_and_the_configured_priors() -> None:
    tight, panel = {"mean": -1.7, "standard_deviation": 1e-3}, generated_panel()
    certain = CoreHyperparameters.model_validate({"tuning_rounds": 0, "responses": {"price": tight}})
    fitted = fit_core_parameters(panel, certain)
    types = fitted.types_of(panel.studio_types)
    assert fitted.responses == estimate_responses(panel, flow_series(panel), types, certain.responses)
    assert set(fitted.flows) <= set(FLOW_LINKS)
