"""The small fleet's forecaster, with a weight on every candidate."""

import pytest

from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline_tests.forecasting.fleets import small_fleet


@pytest.fixture(scope="session")
def forecaster() -> Forecaster:
    return Forecaster(small_fleet().model_of_all, small_fleet().panel)
