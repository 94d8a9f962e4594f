"""Predictive distributions on residuals whose distribution is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.calibration import fit_intervals
from studio_pipeline.forecasting.feature_formulas import WINDOW_MONTHS
from studio_pipeline.forecasting.intervals import (
    IntervalTables,
    studio_scales,
    typical_scale,
)
from studio_pipeline.panel.arrays import FloatArray

PANEL_SCALE = 0.08


def paths(n: int, seed: int, months: int = 12) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Forecasts, outcomes and scales: errors grow with the horizon, are skewed, and hang together."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.04, 0.15, n)
    steps = (rng.gamma(4, 0.5, (n, months)) - 2) + 0.5 * rng.standard_t(5, (n, 1))
    forecast = rng.uniform(1e4, 1e5, (n, months))
    return forecast, forecast * np.exp(scale[:, None] * steps.cumsum(1) * 0.5), scale


@pytest.fixture(scope="module")
def tables() -> IntervalTables:
    forecast, actual, scale = paths(4000, 1)
    return fit_intervals(forecast, actual, scale, np.arange(len(forecast)), PANEL_SCALE, 12.0)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_new_paths_are_covered_as_often_as_said(tables: IntervalTables, level: float) -> None:
    forecast, actual, scale = paths(4000, 2)
    bounds = tables.interval(forecast, scale, level)
    inside = (bounds[..., 0] <= actual) & (actual <= bounds[..., 1])
    np.testing.assert_allclose(inside.mean(0), level, atol=0.03)
    for months in (1, 3, 12):
        total, happened = forecast[:, :months].sum(1), actual[:, :months].sum(1)
        ends = tables.total_interval(total, scale, months, level)
        covered = ((ends[:, 0] <= happened) & (happened <= ends[:, 1])).mean()
        # Errors are relative to different monthly forecasts here, so the sum's scale is only nearly the same.
        assert covered == pytest.approx(level, abs=0.04)


def test_the_chance_of_landing_near_is_what_happens(tables: IntervalTables) -> None:
    forecast, actual, scale = paths(4000, 3)
    chance = tables.chance_within(scale, 12)
    assert ((chance >= 0) & (chance <= 1)).all()
    landed = np.abs(actual / forecast - 1) <= 0.1
    np.testing.assert_allclose(chance.mean(0), landed.mean(0), atol=0.03)
    calm, jumpy = tables.chance_within(np.array([0.04, 0.15]), 12)
    assert (calm >= jumpy).all()


@given(st.lists(st.floats(0.01, 0.999), min_size=2, max_size=6, unique=True), st.floats(0.005, 1))
@settings(max_examples=40, deadline=None)
def test_a_higher_level_holds_the_lower_one(levels: list[float], scale: float) -> None:
    forecast, actual, scales = paths(200, 4)
    fitted = fit_intervals(forecast, actual, scales, np.arange(len(forecast)), PANEL_SCALE, 12.0)
    mean, one = np.full((1, 12), 5e4), np.array([scale])
    bounds = [fitted.interval(mean, one, level)[0] for level in sorted(levels)]
    totals = [fitted.total_interval(mean[0, :1], one, 7, level)[0] for level in sorted(levels)]
    for inner, outer in (*pairwise(bounds), *pairwise(totals)):
        assert (outer[..., 0] <= inner[..., 0] + 1e-6).all()
        assert (inner[..., 1] <= outer[..., 1] + 1e-6).all()
    assert all((b[..., 0] <= b[..., 1]).all() and (b > 0).all() for b in bounds)


def test_few_residuals_give_wide_bands_that_widen() -> None:
    forecast, actual, scale = paths(10, 5)
    few = fit_intervals(forecast, actual, scale, np.arange(len(forecast)), PANEL_SCALE, 12.0)
    bounds = few.interval(np.full((1, 12), 100.0), np.array([PANEL_SCALE]), 0.9)[0]
    width = bounds[:, 1] - bounds[:, 0]
    assert np.isfinite(bounds).all()
    assert (np.diff(width) > 0).all()
    assert width[0] > 2 * 1.6 * 100 * PANEL_SCALE


def test_a_horizon_without_outcomes_borrows_the_one_before() -> None:
    forecast, actual, scale = paths(500, 6)
    actual[:, 8:] = np.nan
    fitted = fit_intervals(forecast, actual, scale, np.arange(len(forecast)), PANEL_SCALE, 12.0)
    bounds = fitted.interval(np.full((1, 12), 100.0), np.array([0.1]), 0.9)[0]
    assert np.isfinite(bounds).all()
    assert (np.diff(bounds[7:, 1] - bounds[7:, 0]) > 0).all()


def test_a_month_of_nothing_does_not_break_the_tables() -> None:
    forecast, actual, scale = paths(500, 7)
    actual[:20] = 0.0
    fitted = fit_intervals(forecast, actual, scale, np.arange(len(forecast)), PANEL_SCALE, 12.0)
    assert np.isfinite(fitted.month).all()
    assert np.isfinite(fitted.total).all()


def windows(revenue: FloatArray) -> dict[str, FloatArray]:
    filled = np.full((len(revenue), WINDOW_MONTHS), np.nan)
    filled[:, WINDOW_MONTHS - revenue.shape[1] :] = revenue
    return {"total_revenue": filled}


def test_a_studio_s_scale_is_its_own_where_it_has_months_and_the_panel_s_where_it_has_none() -> None:
    rng = np.random.default_rng(8)
    steps = rng.normal(0, 1, (2, WINDOW_MONTHS)) * np.array([[0.02], [0.3]])
    own = studio_scales(windows(np.exp(steps.cumsum(1))), PANEL_SCALE, 12.0)
    assert own[0] < PANEL_SCALE < own[1]
    none = studio_scales(windows(np.ones((1, 1))), PANEL_SCALE, 12.0)
    np.testing.assert_allclose(none, PANEL_SCALE)
    only_own = studio_scales(windows(np.exp(steps.cumsum(1))), PANEL_SCALE, 0.0)
    np.testing.assert_allclose(only_own, [0.02, 0.3], rtol=0.5)


def test_scales_do_not_know_the_currency_and_are_never_zero() -> None:
    rng = np.random.default_rng(9)
    revenue = np.exp(rng.normal(0, 0.1, (30, WINDOW_MONTHS)).cumsum(1))
    np.testing.assert_allclose(
        studio_scales(windows(2 * revenue), 0.1, 12.0), studio_scales(windows(revenue), 0.1, 12.0)
    )
    assert typical_scale(windows(2 * revenue)) == pytest.approx(typical_scale(windows(revenue)))
    assert studio_scales(windows(np.ones((1, WINDOW_MONTHS))), 0.0, 0.0)[0] > 0
    assert typical_scale(windows(np.ones((1, 1)))) > 0
