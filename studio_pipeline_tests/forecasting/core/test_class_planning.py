"""How classes follow attendance: planted, estimated, and at work in a projection."""

import numpy as np
import pytest

from studio_pipeline.forecasting.core.parameters import NO_PLANNING, ClassPlanning, estimate_class_planning
from studio_pipeline.forecasting.core.simulation import simulate_terms
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline_tests.forecasting.hand_made_flows import one_studio

MONTHS = 48


def panel_of(speed: float, seed: int = 1, n_studios: int = 40) -> StudioPanel:
    """Studios whose visits wander, and whose classes follow attendance around 0.65."""
    rng = np.random.default_rng(seed)
    visits = np.log(2000) + rng.normal(0, 0.03, (n_studios, MONTHS)).cumsum(1)
    classes = np.zeros((n_studios, MONTHS))
    classes[:, 0] = np.log(2000 / 20 / 0.65)
    attendance = np.zeros_like(classes)
    for t in range(MONTHS):
        if t:
            noise = rng.normal(0, 0.01, n_studios)
            classes[:, t] = classes[:, t - 1] + speed * (attendance[:, t - 1] - 0.65) + noise
        attendance[:, t] = np.exp(visits[:, t] - classes[:, t]) / 20
    values = {name: np.full((n_studios, MONTHS), np.nan) for name in NUMERIC_COLUMNS}
    values["total_classes_held"], values["class_attendance_rate"] = np.exp(classes), attendance
    values["total_revenue"] = np.exp(visits)
    names = np.array([f"s{k:03d}" for k in range(n_studios)])
    return StudioPanel(names, np.full(n_studios, ""), np.datetime64("2020-01", "M"), values)


@pytest.mark.parametrize("speed", [0.1, 0.25])
def test_a_planted_speed_is_found_within_its_error(speed: float) -> None:
    found = [estimate_class_planning(panel_of(speed, seed)) for seed in range(5)]
    for planning in found:
        assert abs(planning.speed - speed) < 3 * planning.standard_error + 0.1 * speed
        assert planning.usual_attendance == pytest.approx(0.65, abs=0.03)


def test_no_speed_is_found_where_there_is_none_and_none_in_few_months() -> None:
    assert [estimate_class_planning(panel_of(0.0, seed)).speed for seed in range(5)] == [0.0] * 5
    assert estimate_class_planning(panel_of(0.2).until(1)) == NO_PLANNING


def test_what_is_planned_adds_up_and_knows_only_the_months_before() -> None:
    attendance = np.array([[0.9, 0.5, np.nan, 0.7]])
    planned = ClassPlanning(0.2, 0.01, 0.6).planned(attendance)
    np.testing.assert_allclose(planned, [[0.0, 0.06, 0.04, 0.04]], atol=1e-12)


def projected(planning: ClassPlanning, levers: dict[str, np.ndarray]) -> np.ndarray:
    """Attendance rates of a studio of 300 members, 6 visits each, 100 classes of 20 seats."""
    flows = {"retention": 8.0, "acquisition": -9.0, "visits": np.log(6.0), "classes": np.log(100.0)}
    terms = one_studio(flows, planning=planning, rest=0.0, members=300.0, seats=20.0, attendance=0.9)
    return np.asarray(simulate_terms(terms, levers).attendance_rate[0])


def test_full_classes_bring_more_classes_unless_classes_are_given() -> None:
    planning = ClassPlanning(0.2, 0.01, 0.65)
    free = projected(planning, {})
    assert free[0] == pytest.approx(projected(NO_PLANNING, {})[0] * np.exp(-0.2 * 0.25))
    assert (np.diff(free) < 0).all()
    assert free[-1] > 0.65
    held = {"total_classes_held": np.full((1, 12), 100.0)}
    np.testing.assert_array_equal(projected(planning, held), projected(NO_PLANNING, held))
