"""Fixtures of several modules: the small fleet, its forecaster, and tables of simulated errors."""

import numpy as np
import pytest

from studio_pipeline.forecasting.backtest.short_history import YOUNG_MONTHS, fit_young
from studio_pipeline.forecasting.base.hyperparameters import IntervalHyperparameters
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.intervals.calibration import fit_intervals
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline_tests.forecasting.fleets import Fitted, small_fleet
from studio_pipeline_tests.forecasting.simulated_errors import Simulated, simulated_errors


def fitted_tables(errors: Simulated) -> IntervalTables:
    hyperparameters, nothing = IntervalHyperparameters(), np.zeros((0, errors.forecast.shape[1]))
    young = fit_young(dict.fromkeys(YOUNG_MONTHS, nothing), nothing)
    return fit_intervals(
        errors.forecast, errors.actual, errors.windows, errors.months, hyperparameters, young
    ).tables


@pytest.fixture(scope="module")
def fleet() -> Fitted:
    return small_fleet()


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    return Forecaster(small_fleet().model_of_all, small_fleet().panel)


@pytest.fixture(scope="module")
def tables() -> IntervalTables:
    return fitted_tables(simulated_errors(seed=1))
