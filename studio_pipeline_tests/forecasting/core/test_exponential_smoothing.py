"""Exponential smoothing of each studio by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.core import exponential_smoothing as module
from studio_pipeline.forecasting.core.exponential_smoothing import own_smoothing
from studio_pipeline.panel.arrays import FloatArray

MONTHS = 60
CALENDAR = np.arange(MONTHS) % 12
FLAT = np.zeros((1, 12))


def walks(studios: int, seed: int = 1) -> FloatArray:
    rng = np.random.default_rng(seed)
    level = 9 + rng.normal(0, 0.05, (studios, MONTHS)).cumsum(1)
    return np.asarray(level + rng.normal(0, 0.3, (studios, 12))[:, CALENDAR])


def smoothed(values: FloatArray) -> FloatArray:
    return own_smoothing(values, np.zeros((len(values), 12)), CALENDAR, np.arange(MONTHS))


def one_by_one(values: list[float], level_gain: float, season_gain: float, trend_share: float) -> list[float]:
    """One setting on one studio without gaps or outliers, as a textbook writes it."""
    level, trend, season, years = values[0], 0.0, [0.0] * 12, [1] + [0] * 11
    for t, value in enumerate(values[1:], start=1):
        month = t % 12
        expected = level + 0.9 * trend
        error = value - expected - season[month]
        gain = max(level_gain, 1 / (t + 1))
        season[month] += max(season_gain, 1 / (years[month] + 3)) * (1 - gain) * error
        level, trend = expected + gain * error, 0.9 * trend + gain * trend_share * error
        years[month] += 1
    ahead, found = 0.0, []
    for h in range(1, 13):
        ahead += 0.9**h
        found.append(level + ahead * trend + season[(len(values) - 1 + h) % 12])
    return found


@pytest.mark.parametrize("setting", [(0.1, 0.05, 0.15), (0.7, 0.3, 0.0)])
def test_one_setting_is_the_textbook_s(
    monkeypatch: pytest.MonkeyPatch, setting: tuple[float, float, float]
) -> None:
    names = ("_LEVEL_GAINS", "_SEASON_GAINS", "_TREND_SHARES")
    for name, value in zip(names, setting, strict=True):
        monkeypatch.setattr(module, name, (value,))
    monkeypatch.setattr(module, "_OUTLIER_ERRORS", 1e9)
    values = walks(1)
    np.testing.assert_allclose(smoothed(values)[0, -1], one_by_one(list(values[0]), *setting), rtol=1e-12)


@given(st.integers(0, MONTHS - 2), st.floats(-3, 3))
@settings(max_examples=30)
def test_a_later_month_changes_no_earlier_forecast(column: int, change: float) -> None:
    values = walks(5)
    later = values.copy()
    later[:3, column + 1 :] += change
    later[4, column + 1] = np.nan
    np.testing.assert_array_equal(smoothed(later)[:, : column + 1], smoothed(values)[:, : column + 1])


def test_what_never_changes_is_forecast_exactly() -> None:
    values = np.full((2, MONTHS), 7.0)
    values[1, 20:24] = np.nan
    np.testing.assert_allclose(smoothed(values)[:, 1:], 7.0)


def test_unknown_until_the_first_month() -> None:
    values = walks(2)
    values[0, :10] = np.nan
    found = smoothed(values)
    assert np.isnan(found[0, :10]).all()
    assert np.isfinite(found[0, 10:]).all()
    assert np.isnan(smoothed(np.full((1, MONTHS), np.nan))).all()


def test_a_type_s_season_is_where_a_studio_starts() -> None:
    season = np.linspace(-0.5, 0.5, 12)[None]
    values = np.array([[8.0, np.nan, np.nan]])
    found = own_smoothing(values, season, np.arange(3), np.arange(3))[0, 0]
    np.testing.assert_allclose(found, 8.0 - season[0, 0] + season[0, np.arange(1, 13) % 12])


def test_an_own_season_is_learned_and_a_flood_is_not() -> None:
    season = np.sin(np.arange(12) * np.pi / 6)
    values = 8 + np.tile(season, 5)[None]
    flooded = values.copy()
    flooded[0, 50] -= 3.0
    learned = smoothed(values)[0, -1]
    assert np.abs(learned - 8 - season).max() < 0.3
    moved = np.abs(smoothed(flooded)[0, -1] - learned)
    assert moved.argmax() == 50 % 12
    assert moved.max() < 0.2 * 3.0
    assert np.sort(moved)[-2] < 0.1


def test_studios_of_opposite_kinds_each_find_their_settings() -> None:
    """Half are calm levels under noise, half are random walks: no one setting suits both."""
    rng = np.random.default_rng(4)
    calm = 9 + rng.normal(0, 0.2, (40, MONTHS))
    walking = 9 + rng.normal(0, 0.2, (40, MONTHS)).cumsum(1)
    values = np.concatenate([calm, walking])
    found = smoothed(values)
    origins = np.arange(36, MONTHS - 1)
    missed = np.abs(found[:, origins, 0] - values[:, origins + 1]).mean(1)
    no_change = np.abs(values[:, origins] - values[:, origins + 1]).mean(1)
    assert missed[:40].mean() < 0.85 * no_change[:40].mean()
    assert missed[40:].mean() < 1.15 * no_change[40:].mean()


@given(st.sets(st.integers(0, MONTHS - 1)).map(sorted))
@settings(max_examples=30)
def test_some_months_are_forecast_as_among_all(columns: list[int]) -> None:
    values = walks(4)
    asked = np.array(columns, dtype=np.int64)
    found = own_smoothing(values, np.zeros((4, 12)), CALENDAR, asked)
    np.testing.assert_array_equal(found, smoothed(values)[:, asked])


def test_the_median_is_numpy_s() -> None:
    for n_settings in (1, 2, 11, 12):
        values = np.random.default_rng(n_settings).normal(size=(n_settings, 50))
        np.testing.assert_array_equal(module._median(values), np.median(values, axis=0))
