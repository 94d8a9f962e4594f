"""Plans of two hundred studios cost no more than the cheapest that a brute force finds."""

import numpy as np
import pytest

from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel
from studio_pipeline_tests.planning.inverse.test_optimum import cost_ratio

QUICK = ForecastingConfig.model_validate(
    {"core": {"tuning_rounds": 1, "tuning_studios": 40}, "backtest": {"folds": 1, "max_studios": 60}}
)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_two_hundred_studios_cost_what_the_brute_force_finds() -> None:
    panel = generated_panel(200, 60)
    at_hand = Forecaster(fit_all(panel, QUICK, learners=()).model, panel)
    ratios = np.array([cost_ratio(at_hand, row, 1_000 + row, 25, 250) for row in range(200)])
    assert (ratios <= 1.02).mean() >= 0.95
    assert ratios.max() <= 1.05
    assert (ratios == 1.0).mean() < 0.5, "most questions have to be within reach"
