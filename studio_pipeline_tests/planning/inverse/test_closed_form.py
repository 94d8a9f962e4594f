"""The closed form and the responses, against the forecaster and the core's own arithmetic."""

import numpy as np
import pytest

from studio_pipeline.forecasting.core.simulation import simulate_terms
from studio_pipeline.planning.inverse.queries import PlanQuery
from studio_pipeline.planning.levers import ATTENDANCE, NEW, RETENTION, STAFF, TICKET
from studio_pipeline_tests.planning.fixtures import setup_of, studio


def drawn_plans(problem, n: int = 6, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    share = rng.random((7, n))
    return problem.low[:, None] + share * (problem.high - problem.low)[:, None]


@pytest.mark.parametrize("kind", ["month", "total"])
@pytest.mark.parametrize("row", [0, 1, 2, 3, 5, 7])
def test_without_learners_the_closed_form_is_the_forecaster_s_answer(row: int, kind: str) -> None:
    setup = setup_of(PlanQuery(studio(row), 1e5, target_months=5, target_kind=kind))
    plans = drawn_plans(setup.problem)
    earned = setup.revenue(plans)
    np.testing.assert_allclose(setup.problem.revenue.revenue(plans), earned, rtol=1e-9)
    assert np.ptp(earned) > 0.01 * earned.mean()


def test_slopes_are_those_of_small_steps() -> None:
    problem = setup_of(PlanQuery(studio(0), 1e5, target_months=7, target_kind="total")).problem
    plans, step = drawn_plans(problem), 1e-6
    for values, slopes in (
        (problem.revenue.revenue, problem.revenue.slopes(plans)[1]),
        (problem.responses.retention_rate, problem.responses.retention_slopes(plans)),
    ):
        scale = np.abs(values(plans)).max()
        for place, slope in slopes.items():
            moved = plans.copy()
            moved[place] += step
            rise = (values(moved) - values(plans)) / step
            np.testing.assert_allclose(slope, rise, rtol=1e-4, atol=1e-6 * scale)


def test_responses_are_the_core_s_own() -> None:
    """Levers given to the core one by one, retention and new members free, against the present levers."""
    setup = setup_of(PlanQuery(studio(0), 1e5, target_months=6))
    present, responses = setup.problem.present, setup.problem.responses
    moved = present.copy()
    moved[TICKET] *= 1.12
    moved[ATTENDANCE] = min(present[ATTENDANCE] + 0.13, 1.0)
    moved[STAFF] = 0.97
    names = {"avg_ticket_price": TICKET, "class_attendance_rate": ATTENDANCE, "staff_utilization_rate": STAFF}
    core = []
    for levers in (present, moved):
        given = {name: np.full((1, 12), levers[place]) for name, place in names.items()}
        given["total_classes_held"] = np.full((1, 12), setup.present["total_classes_held"])
        core.append(simulate_terms(setup.origin.terms, given))
    # In the second month, attendance of the month before is that of the plan too.
    before, after = (float(paths.retention_rate[0, 2]) for paths in core)
    odds = np.log(after / (1 - after)) - np.log(before / (1 - before))
    now = present[RETENTION]
    expected = 1 / (1 + np.exp(-(np.log(now / (1 - now)) + odds)))
    assert abs(expected - now) > 1e-3
    assert responses.retention_rate(moved[:, None])[0] == pytest.approx(expected, abs=1e-9)
    joined = [float(paths.new_members[0, 2]) + 0.5 for paths in core]
    expected_new = (present[NEW] + 0.5) * joined[1] / joined[0] - 0.5
    assert responses.new_members(moved[:, None])[0] == pytest.approx(expected_new, rel=1e-9)


def test_nothing_responds_to_no_change() -> None:
    problem = setup_of(PlanQuery(studio(0), 1e5)).problem
    now = problem.present[:, None]
    assert problem.responses.retention_rate(now)[0] == problem.present[RETENTION]
    assert problem.responses.new_members(now)[0] == problem.present[NEW]
    assert problem.burden(now)[0] == 0
