"""Plans cost no more than the cheapest that a brute force finds, and nothing within reach is called out of
reach; of 200 studios in `campaigns/test_plans_of_many_studios.py`.
"""

from __future__ import annotations

import numpy as np
import pytest

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline_tests.planning.brute_force import brute_force
from studio_pipeline_tests.planning.fixtures import drawn_question, forecaster, plan, setup_of

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
