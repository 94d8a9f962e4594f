"""Bands that are looked up once a level are those of the tables."""

from __future__ import annotations

import numpy as np
import pytest

from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.forecasting.revenue_bands import RevenueBands

LEVELS = np.linspace(0.005, 0.995, 100)


@pytest.fixture
def tables() -> IntervalTables:
    rng = np.random.default_rng(3)
    month, total = (np.sort(rng.normal(0, 1 + 0.1 * np.arange(12)[:, None], (12, 100))) for _ in range(2))
    return IntervalTables(LEVELS, month, total, 0.1, 12.0)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
def test_bounds_are_those_of_the_tables(tables: IntervalTables, level: float) -> None:
    bands, revenue = RevenueBands(tables), np.linspace(100.0, 200.0, 7)
    expected = tables.interval(revenue[None], np.array([0.2]), level)[0]
    np.testing.assert_allclose(bands.months(revenue, 0.2, level), expected, rtol=1e-13)
    np.testing.assert_allclose(bands.months(revenue, np.full(7, 0.2), level), expected, rtol=1e-13)
    whole = tables.total_interval(np.array([900.0]), np.array([0.2]), 7, level)[0]
    np.testing.assert_allclose(bands.total(900.0, 0.2, 7, level), whole, rtol=1e-13)


def test_chances_are_those_of_straight_lines_between_the_levels(tables: IntervalTables) -> None:
    scale = np.geomspace(0.005, 5.0, 40)
    found = RevenueBands(tables).chance_within(np.repeat(scale[:, None], 12, 1))
    for h in range(12):
        ends = [
            np.interp(np.log1p(share) / scale, tables.month[h], LEVELS, left=0.0, right=1.0)
            for share in (-0.1, 0.1)
        ]
        np.testing.assert_allclose(found[:, h], ends[1] - ends[0], atol=1e-12)
    assert (np.diff(found, axis=0) <= 1e-12).all()


def test_deviations_are_half_of_what_two_thirds_span(tables: IntervalTables) -> None:
    bands = RevenueBands(tables)
    assert bands.month_deviation == pytest.approx(1 + 0.1 * np.arange(12), rel=0.35)
    assert bands.total_deviation.shape == (12,)
