"""Classes given make staff work more in the first months, until others are hired."""

from collections.abc import Mapping

import numpy as np
import pytest

from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.core.flow_terms import FlowTerms
from studio_pipeline.forecasting.core.simulation import STAFF_PERSISTENCE, simulate_terms
from studio_pipeline.forecasting.responses.regressors import Comfort
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.forecasting.hand_made_flows import one_studio

USUAL, CLASSES, WORKLOAD, OVERWORK = 0.7, 100.0, 0.5, -3.0
COMFORTABLE = 0.5
MONTHS = np.arange(12)


def terms(workload: float) -> FlowTerms:
    """A studio whose members respond to overwork alone."""
    effects = {"retention": {"overwork": LeverEffect(OVERWORK, 0.1)}}
    if workload:
        effects["utilization"] = {"classes": LeverEffect(workload, 0.1)}
    flows = {"retention": 2.5, "acquisition": 3.0, "visits": np.log(5.0), "classes": np.log(CLASSES)}
    flows["staff_utilization"] = np.log(USUAL / (1 - USUAL))
    responses = Responses(effects, Comfort(0.8, COMFORTABLE))
    return one_studio(flows, responses, rest=0.0, seats=20.0, attendance=0.6)


def utilization(levers: Mapping[str, FloatArray], workload: float = WORKLOAD) -> FloatArray:
    """(12,) utilisation that the simulated retention shows."""
    retention = simulate_terms(terms(workload), levers).retention_rate[0]
    return np.asarray((np.log(retention / (1 - retention)) - 2.5) / OVERWORK + COMFORTABLE)


def held(classes: float, from_month: int = 1) -> dict[str, FloatArray]:
    return {"total_classes_held": np.where(from_month <= MONTHS + 1, classes, np.nan)[None]}


@pytest.mark.parametrize("classes", [60.0, 90.0, 130.0])
def test_more_classes_are_more_work_at_first_and_less_of_it_later(classes: float) -> None:
    found = utilization(held(classes))
    expected = USUAL * (classes / CLASSES) ** (WORKLOAD * STAFF_PERSISTENCE**MONTHS)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert (np.diff(np.abs(found - USUAL)) < 0).all()
    assert abs(found[-1] - USUAL) < 0.25 * abs(found[0] - USUAL)


def test_nobody_works_more_than_all_hours() -> None:
    assert utilization(held(1000.0))[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("levers", "workload"), [({}, WORKLOAD), (held(150.0), 0.0), (held(CLASSES), WORKLOAD)]
)
def test_without_classes_or_a_response_work_stays(levers: dict[str, FloatArray], workload: float) -> None:
    np.testing.assert_allclose(utilization(levers, workload), USUAL, rtol=1e-9)


def test_work_that_is_given_too_is_what_is_given() -> None:
    staff = {"staff_utilization_rate": np.full((1, 12), 0.6)}
    both = utilization(held(150.0) | staff)
    np.testing.assert_allclose(both, 0.6, rtol=1e-9)
    later = {"staff_utilization_rate": np.where(MONTHS >= 4, 0.6, np.nan)[None]}
    found = utilization(held(150.0) | later)
    np.testing.assert_allclose(found[:4], utilization(held(150.0))[:4])
    np.testing.assert_allclose(found[4:], 0.6, rtol=1e-9)


def test_work_rises_in_the_month_in_which_the_classes_do() -> None:
    """A plan that adds classes from month 6 on is as much work in that month as one that adds them now."""
    at_once, later = utilization(held(150.0)), utilization(held(150.0, from_month=6))
    np.testing.assert_allclose(later[:5], USUAL, rtol=1e-9)
    np.testing.assert_allclose(later[5:], at_once[:7], rtol=1e-9)
