"""Plans cost no more than the cheapest that a slow, obvious search finds, and nothing within reach is called
out of reach. The search is differential evolution over all levers at once, on the forecaster's own answers,
every limit a penalty; it shares no step with the planner's. `campaigns/test_plans_of_many_studios.py` asks
the same of 200 studios.
"""

import numpy as np
import pytest
from scipy.optimize import differential_evolution

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.planning.inverse.setup import PlanSetup
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET
from studio_pipeline_tests.planning.fixtures import drawn_question, forecaster, plan, setup_of

_PENALTY = 1e3


def brute_force(setup: PlanSetup, seed: int, population: int, generations: int) -> tuple[float, float]:
    """Revenue and burden of the best plan found."""
    problem, low, high = setup.problem, setup.ranges.low, setup.ranges.high
    free = np.flatnonzero(high > low)
    largest = float(problem.weights @ (high - low)) or 1.0

    def plans(z: np.ndarray) -> np.ndarray:
        x = np.repeat(problem.present[:, None], z.shape[1], 1)
        x[free] = z
        return x

    def worth(z: np.ndarray) -> np.ndarray:
        x = plans(z)
        short = np.maximum(1 - setup.revenue(x) / problem.target, 0)
        return problem.weights @ efforts(setup, x) / largest + _PENALTY * (short + broken(setup, x))

    bounds, whole = list(zip(low[free], high[free], strict=True)), np.isin(free, (NEW, CLASSES))
    size = {"popsize": population, "maxiter": generations, "tol": 1e-10, "rng": np.random.default_rng(seed)}
    how = {"vectorized": True, "updating": "deferred", "polish": False, "integrality": whole}
    found = differential_evolution(worth, bounds, **how, **size)
    x = plans(found.x[:, None])
    if broken(setup, x)[0] > 0:
        return 0.0, np.inf
    return float(setup.revenue(x)[0]), float((problem.weights @ efforts(setup, x))[0])


def responses(setup: PlanSetup, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Retention and new members without effort, from the model's effects by their definition."""
    present, own = setup.problem.present[:, None], setup.problem.responses
    changed = []
    for slopes in (own.retention, own.acquisition):
        change = slopes.price * (np.log(x[TICKET]) - np.log(present[TICKET]))
        change = change + slopes.fullness * (x[ATTENDANCE] - present[ATTENDANCE])
        for slope, place, at in (
            (slopes.crowding, ATTENDANCE, own.comfortable_attendance),
            (slopes.overwork, STAFF, own.comfortable_utilization),
        ):
            change = change + slope * (np.clip(x[place] - at, 0, 1) - np.clip(present[place] - at, 0, 1))
        changed.append(change)
    odds = present[RETENTION] / (1 - present[RETENTION]) * np.exp(changed[0])
    return odds / (1 + odds), np.maximum((present[NEW] + 0.5) * np.exp(changed[1]) - 0.5, 0)


def efforts(setup: PlanSetup, x: np.ndarray) -> np.ndarray:
    found = np.abs(x - setup.problem.present[:, None])
    for place, response in zip((RETENTION, NEW), responses(setup, x), strict=True):
        found[place] = np.maximum(x[place] - response, 0)
    return found


def broken(setup: PlanSetup, x: np.ndarray) -> np.ndarray:
    """How far plans are beyond what rooms, staff and members take."""
    capacity, members = setup.problem.capacity, np.full(x.shape[1], setup.present["current_member_count"])
    over = np.maximum(x[RETENTION] - capacity.most_retention(x[TICKET]), 0)
    over = over + np.maximum(x[NEW] - capacity.most_new_members(x[TICKET]), 0)
    for _ in range(setup.query.target_months):
        members = members * x[RETENTION] + x[NEW]
        over = over + np.maximum(members / x[CLASSES] / capacity.most_members - 1 - 1e-9, 0)
    work = x[CLASSES] / x[STAFF]
    over = over + np.maximum(work / capacity.most_work - 1 - 1e-9, 0)
    over = over + np.maximum(1 - work / max(capacity.least_work, 1e-9) - 1e-9, 0)
    return over + np.maximum(x[ATTENDANCE] * x[CLASSES] / capacity.most_attended - 1 - 1e-9, 0)


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
