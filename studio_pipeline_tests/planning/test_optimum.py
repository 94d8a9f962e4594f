"""Plans cost no more than the cheapest that a brute force finds, and nothing within reach is called out of
reach.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel
from studio_pipeline_tests.planning.brute_force import brute_force
from studio_pipeline_tests.planning.fixtures import drawn_question, forecaster, plan, setup_of

QUICK = ForecastingConfig.model_validate(
    {"core": {"tuning_rounds": 1, "tuning_studios": 40}, "backtest": {"folds": 1, "max_studios": 60}}
)
WHOLE_STUDIOS = (0, 1, 2, 3, 5, 7, 8, 9, 10, 11)


def cost_ratio(at_hand: Forecaster, row: int, seed: int, population: int, generations: int) -> float:
    """Burden of the plan over that of the brute force's, of questions that both answer; else 1."""
    query = drawn_question(at_hand, seed, row)
    setup, made = setup_of(query, at_hand), plan(query, at_hand)
    revenue, burden = brute_force(setup, seed, population, generations)
    reached = round(revenue, 2) >= query.target_revenue
    if not made.feasible:
        assert not reached
        assert made.achievable_revenue >= revenue * (1 - 2e-3)
        return 1.0
    if not reached:
        return 1.0
    x = np.array([[made.recommended_levers[lever]] for lever in HELD_LEVERS])
    return float(setup.problem.burden(x)[0]) / max(burden, 1e-9 * float(setup.problem.weights.max()))


@pytest.mark.parametrize("row", WHOLE_STUDIOS)
def test_ten_studios_cost_what_the_brute_force_finds(row: int) -> None:
    assert cost_ratio(forecaster(), row, 40 + row, population=12, generations=120) <= 1.05


@cache
def generated_fleet() -> Forecaster:
    panel = generated_panel(200, 60)
    return Forecaster(fit_all(panel, QUICK, learners=()).model, panel)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_studios_cost_what_the_brute_force_finds() -> None:
    at_hand = generated_fleet()
    ratios = np.array([cost_ratio(at_hand, row, 1_000 + row, 25, 250) for row in range(200)])
    assert (ratios <= 1.02).mean() >= 0.95
    assert ratios.max() <= 1.05
    assert (ratios == 1.0).mean() < 0.5, "most questions have to be within reach"
