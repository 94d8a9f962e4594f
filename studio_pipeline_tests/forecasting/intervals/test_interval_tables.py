"""Predictive distributions on residuals whose distribution is known."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.features.formulas import WINDOW_MONTHS
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.forecasting.conftest import fitted_tables
from studio_pipeline_tests.forecasting.simulated_errors import simulated_errors, windows


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_new_paths_are_covered_as_often_as_said(tables: IntervalTables, level: float) -> None:
    new = simulated_errors(seed=2, n_months=60)
    scale = tables.scale(new.windows)
    bounds = tables.interval(new.forecast, scale, level)
    inside = (bounds[..., 0] <= new.actual) & (new.actual <= bounds[..., 1])
    assert inside.mean() == pytest.approx(level, abs=0.03)
    np.testing.assert_allclose(inside.mean(0), level, atol=0.06)
    for months in (1, 3, 12):
        total, happened = new.forecast[:, :months].sum(1), new.actual[:, :months].sum(1)
        ends = tables.total_interval(total, scale, months, level)
        covered = ((ends[:, 0] <= happened) & (happened <= ends[:, 1])).mean()
        assert covered == pytest.approx(level, abs=0.05)


def test_jumpy_and_calm_studios_are_covered_alike(tables: IntervalTables) -> None:
    new = simulated_errors(seed=3, n_months=60)
    bounds = tables.interval(new.forecast, tables.scale(new.windows), 0.9)
    inside = ((bounds[..., 0] <= new.actual) & (new.actual <= bounds[..., 1])).mean(1)
    jumpy = new.deviation > np.median(new.deviation)
    assert inside[jumpy].mean() == pytest.approx(0.9, abs=0.05)
    assert inside[~jumpy].mean() == pytest.approx(0.9, abs=0.05)


def test_the_chance_of_landing_near_is_what_happens(tables: IntervalTables) -> None:
    new = simulated_errors(seed=4, n_months=60)
    chance = tables.chance_within(tables.scale(new.windows))
    assert ((chance >= 0) & (chance <= 1)).all()
    landed = np.abs(new.actual / new.forecast - 1) <= 0.1
    np.testing.assert_allclose(chance.mean(0), landed.mean(0), atol=0.04)
    calm, jumpy = tables.chance_within(np.array([[0.04], [0.15]]) * np.ones(12))
    assert (calm >= jumpy).all()


def test_chances_agree_with_bounds(tables: IntervalTables) -> None:
    low, high = tables.quantiles(0.8)[:2]
    np.testing.assert_allclose(
        tables.chance_below(np.stack([low, high])), [[0.1] * 12, [0.9] * 12], atol=1e-6
    )
    np.testing.assert_array_equal(
        tables.chance_below(np.array([[-1e9] * 12, [1e9] * 12])), [[0] * 12, [1] * 12]
    )


@given(st.lists(st.floats(0.01, 0.999), min_size=2, max_size=6, unique=True), st.floats(0.005, 1))
@settings(max_examples=40, deadline=None)
def test_a_higher_level_holds_the_lower_one(levels: list[float], scale: float) -> None:
    few = fitted_tables(simulated_errors(seed=5, n_months=10, n_studios=20))
    mean, one = np.full((1, 12), 5e4), np.full((1, 12), scale)
    bounds = [few.interval(mean, one, level)[0] for level in sorted(levels)]
    totals = [few.total_interval(mean[0, :1], one, 7, level)[0] for level in sorted(levels)]
    for inner, outer in (*pairwise(bounds), *pairwise(totals)):
        assert (outer[..., 0] <= inner[..., 0] + 1e-6).all()
        assert (inner[..., 1] <= outer[..., 1] + 1e-6).all()
    assert all((b[..., 0] <= b[..., 1]).all() and (b > 0).all() for b in bounds)


def test_an_interval_tells_the_scale_it_was_made_with(tables: IntervalTables) -> None:
    scale = np.random.default_rng(6).uniform(0.02, 0.3, (5, 12))
    bounds = tables.interval(np.full((5, 12), 100.0), scale, 0.9)
    np.testing.assert_allclose(tables.scale_of(bounds, 0.9), scale)


def test_few_residuals_give_bands_that_widen() -> None:
    errors = simulated_errors(seed=7, n_months=1, n_studios=10)
    few = fitted_tables(errors)
    bounds = few.interval(np.full((10, 12), 100.0), few.scale(errors.windows), 0.9)
    width = (bounds[..., 1] - bounds[..., 0]).mean(0)
    assert np.isfinite(bounds).all()
    assert (np.diff(width) > 0).all()
    # One and a half times the studios' monthly changes.
    assert few.scale(errors.windows).mean(0)[0] > np.mean(errors.deviation)


def test_a_horizon_without_outcomes_borrows_the_one_before() -> None:
    errors = simulated_errors(seed=8, n_months=20, n_studios=25)
    errors.actual[:, 8:] = np.nan
    borrowed = fitted_tables(errors)
    scale = borrowed.scale(errors.windows)
    bounds = borrowed.interval(np.full_like(scale, 100.0), scale, 0.9)
    assert np.isfinite(bounds).all()
    assert (np.diff((bounds[..., 1] - bounds[..., 0]).mean(0)[7:]) > 0).all()


def test_a_month_of_nothing_does_not_break_the_tables() -> None:
    errors = simulated_errors(seed=9, n_months=20, n_studios=25)
    errors.actual[:20] = 0.0
    broken = fitted_tables(errors)
    assert np.isfinite(broken.month).all()
    assert np.isfinite(broken.total).all()


def test_nothing_at_all_gives_wide_finite_bands() -> None:
    errors = simulated_errors(seed=10, n_months=1, n_studios=10)
    none = fitted_tables(replace(errors, actual=np.full_like(errors.actual, np.nan)))
    bounds = none.interval(np.full((1, 12), 100.0), none.new_studio_scale(), 0.9)
    assert np.isfinite(bounds).all()
    assert (none.new_studio_scale() > none.scale(errors.windows).mean(0)).all()


def test_a_short_history_is_never_narrower(tables: IntervalTables) -> None:
    whole = np.exp(np.random.default_rng(11).normal(0, 0.05, (1, WINDOW_MONTHS)).cumsum(1))
    # The same recent restlessness, so that nothing but the length differs.
    widenings = [tables.young.widening(np.array([float(months)]))[0] for months in (0, 1, 2, 5, 11, 24, 60)]
    assert all((longer <= shorter + 1e-12).all() for shorter, longer in pairwise(widenings))
    np.testing.assert_array_equal(widenings[-1], 1.0)
    short = whole.copy()
    short[:, :-2] = np.nan
    assert (tables.scale(windows(short)) > 0.9 * tables.scale(windows(whole))).all()


def test_scales_do_not_know_the_currency_and_are_never_zero(tables: IntervalTables) -> None:
    revenue = np.exp(np.random.default_rng(12).normal(0, 0.1, (30, WINDOW_MONTHS)).cumsum(1))
    np.testing.assert_allclose(tables.scale(windows(3 * revenue)), tables.scale(windows(revenue)))
    assert (tables.scale(windows(np.ones((1, WINDOW_MONTHS)))) > 0).all()
    assert (tables.scale(windows(np.full((1, WINDOW_MONTHS), np.nan))) > 0).all()


def test_the_mean_of_the_distribution_is_the_forecast(tables: IntervalTables) -> None:
    levels = np.linspace(0.001, 0.999, 999)
    scale = np.full((1, 12), 0.15)
    ends = np.array([tables.interval(np.ones((1, 12)), scale, abs(2 * p - 1) + 1e-9)[0] for p in levels])
    quantiles = np.where(levels[:, None] < 0.5, ends[..., 0], ends[..., 1])
    np.testing.assert_allclose(quantiles.mean(0), 1.0, atol=0.01)


def test_tables_survive_json(tables: IntervalTables) -> None:
    again = IntervalTables.from_json(tables.to_json())
    np.testing.assert_array_equal(again.month, tables.month)
    np.testing.assert_allclose(again.own_paths, tables.own_paths, atol=1e-5)
    some: FloatArray = simulated_errors(seed=14, n_months=1).windows["total_revenue"]
    np.testing.assert_array_equal(again.scale(windows(some)), tables.scale(windows(some)))
