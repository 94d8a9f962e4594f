"""Seasonal factors against planted ones."""

import numpy as np

from studio_pipeline.forecasting.core.seasonality import type_seasons

CALENDAR = (np.arange(48) + 3) % 12
WINTER = 0.3 * np.cos(2 * np.pi * np.arange(12) / 12)
SUMMER = 0.2 * np.sin(4 * np.pi * np.arange(12) / 12)


def planted(noise: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """40 studios of two types with levels and trends of their own."""
    rng = np.random.default_rng(5)
    types = np.arange(40) % 2
    level = rng.normal(5, 1, (40, 1)) + rng.normal(0, 0.005, (40, 1)) * np.arange(48)
    season = np.stack([WINTER, SUMMER])[types][:, CALENDAR]
    return level + season + rng.normal(0, noise, (40, 48)), types


def test_planted_seasons_are_found_by_type() -> None:
    values, types = planted()
    found = type_seasons(values, np.ones_like(values), types, 2, CALENDAR, 0.5)
    np.testing.assert_allclose(found, [WINTER, SUMMER], atol=0.02)
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-12)


def test_gaps_and_weights_leave_them_standing() -> None:
    values, types = planted()
    rng = np.random.default_rng(6)
    values[rng.random(values.shape) < 0.05] = np.nan
    values[0] = rng.normal(0, 30, 48)
    weights = np.ones_like(values)
    weights[0] = 1e-9
    found = type_seasons(values, weights, types, 2, CALENDAR, 0.5)
    np.testing.assert_allclose(found, [WINTER, SUMMER], atol=0.03)


def test_shrinkage_pulls_a_type_to_the_panel() -> None:
    values, types = planted()
    weights = np.ones_like(values)
    spread = [
        np.abs(np.diff(type_seasons(values, weights, types, 2, CALENDAR, years), axis=0)).max()
        for years in (0.0, 4.0, 4000.0)
    ]
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 0.1 * spread[0]


def test_an_unknown_type_gets_the_panel_s_season_and_a_short_panel_none() -> None:
    values, types = planted()
    found = type_seasons(values, np.ones_like(values), types, 3, CALENDAR, 1.0)
    np.testing.assert_allclose(found[2], (WINTER + SUMMER) / 2, atol=0.05)
    short = type_seasons(values[:, :9], np.ones((40, 9)), types, 2, CALENDAR[:9], 1.0)
    np.testing.assert_array_equal(short, 0.0)


def test_a_shock_of_one_year_is_the_market_s_and_not_the_season_s() -> None:
    values, types = planted()
    shocked = values.copy()
    shocked[:, 20:23] -= 0.5
    found = type_seasons(shocked, np.ones_like(values), types, 2, CALENDAR, 0.5)
    np.testing.assert_allclose(found, [WINTER, SUMMER], atol=0.05)
    # With two years there is no telling which of them was usual: the mean is taken.
    short = type_seasons(shocked[:, 8:38], np.ones((40, 30)), types, 2, CALENDAR[8:38], 0.5)
    assert np.abs(short - np.stack([WINTER, SUMMER])).max() > 0.1
