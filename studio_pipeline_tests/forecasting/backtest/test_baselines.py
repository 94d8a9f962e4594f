"""The simple baselines against values computed by hand."""

import numpy as np
import pytest

from studio_pipeline.forecasting.backtest.baselines import BASELINES, baseline_forecasts
from studio_pipeline.forecasting.base.origins import Origins


def forecasts(values: np.ndarray, column: int) -> dict[str, np.ndarray]:
    found = baseline_forecasts(values[None], Origins(np.array([0]), np.array([column])))
    assert tuple(found) == BASELINES
    return {name: x[0] for name, x in found.items()}


def test_two_years_by_hand() -> None:
    values = np.arange(100.0, 124.0)
    found = forecasts(values, 23)
    np.testing.assert_array_equal(found["persistence"], 123.0)
    np.testing.assert_array_equal(found["seasonal_naive"], values[12:])
    growth = (121 + 122 + 123) / (109 + 110 + 111)
    np.testing.assert_allclose(found["seasonal_naive_growth"], values[12:] * growth)


def test_under_a_year_a_seasonal_forecast_is_persistence_month_by_month() -> None:
    values = np.arange(10.0, 19.0)
    found = forecasts(values, 8)
    for name in BASELINES:
        np.testing.assert_array_equal(found[name][:3], 18.0)
    np.testing.assert_array_equal(found["seasonal_naive"], [18, 18, 18, *range(10, 19)])
    np.testing.assert_array_equal(found["seasonal_naive_growth"], found["seasonal_naive"])


def test_gaps_fall_back_month_by_month() -> None:
    values = np.arange(100.0, 124.0)
    values[[13, 22]] = np.nan
    found = forecasts(values, 23)
    assert found["seasonal_naive"][1] == 123.0
    assert found["seasonal_naive"][2] == values[14]
    assert found["seasonal_naive_growth"][2] == pytest.approx(values[14] * (121 + 123) / (109 + 111))


def test_growth_is_kept_within_a_factor_of_two_and_zero_is_no_divisor() -> None:
    values = np.r_[np.full(12, 1.0), np.full(12, 10.0)]
    np.testing.assert_array_equal(forecasts(values, 23)["seasonal_naive_growth"], 20.0)
    values = np.r_[np.full(12, 0.0), np.full(12, 10.0)]
    np.testing.assert_array_equal(forecasts(values, 23)["seasonal_naive_growth"], 10.0)


def test_an_unknown_origin_has_no_forecast() -> None:
    values = np.arange(100.0, 124.0)
    values[23] = np.nan
    assert all(np.isnan(x).all() for x in forecasts(values, 23).values())


def test_a_past_origin_reads_nothing_later() -> None:
    values = np.arange(100.0, 136.0)
    later = values.copy()
    later[24:] = -1.0
    for name, x in forecasts(values, 23).items():
        np.testing.assert_array_equal(x, forecasts(later, 23)[name])
