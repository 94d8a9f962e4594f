"""Classes given make staff work more in the first months, until others are hired."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.flows import FLOW_LINKS
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.core.flow_terms import FlowTerms, OriginStock, flow_terms
from studio_pipeline.forecasting.core.parameters import NO_PLANNING
from studio_pipeline.forecasting.core.scalar_simulation import plain_terms, run_one
from studio_pipeline.forecasting.core.simulation import STAFF_PERSISTENCE, simulate_terms
from studio_pipeline.forecasting.responses.regressors import Comfort
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray

USUAL, CLASSES, WORKLOAD, OVERWORK = 0.7, 100.0, 0.5, -3.0
COMFORTABLE = 0.5
MONTHS = np.arange(12)


def terms(workload: float = WORKLOAD, classes: float = CLASSES) -> FlowTerms:
    """A studio whose members respond to overwork alone."""
    effects = {"retention": {"overwork": LeverEffect(OVERWORK, 0.1)}}
    if workload:
        effects["utilization"] = {"classes": LeverEffect(workload, 0.1)}
    flows = {name: np.zeros((1, 12)) for name in FLOW_LINKS}
    flows |= {
        "retention": np.full((1, 12), 2.5),
        "acquisition": np.full((1, 12), 3.0),
        "visits": np.full((1, 12), np.log(5.0)),
        "classes": np.full((1, 12), np.log(classes)),
        "staff_utilization": np.full((1, 12), np.log(USUAL / (1 - USUAL))),
    }
    stock = OriginStock(np.array([200.0]), np.array([20.0]), np.array([0.6]), np.array([600]))
    return flow_terms(flows, stock, Responses(effects, Comfort(0.8, COMFORTABLE)), NO_PLANNING)


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


@given(
    given_classes=st.lists(st.one_of(st.just(float("nan")), st.floats(0, 500)), min_size=12, max_size=12),
    free=st.one_of(st.just(0.0), st.floats(1, 300)),
    workload=st.floats(0.05, 1.5),
    staff=st.sampled_from([None, 0.3, 0.9]),
)
@settings(max_examples=200, deadline=None)
def test_one_studio_on_plain_numbers_works_as_much_as_one_on_arrays(
    given_classes: list[float], free: float, workload: float, staff: float | None
) -> None:
    with np.errstate(divide="ignore"):
        some = terms(workload, free)
    # A lever that is given stays given.
    path = np.array(given_classes)
    path = path[np.maximum.accumulate(np.where(np.isfinite(path), MONTHS, -1))]
    path = np.where(np.isfinite(given_classes).cumsum() > 0, path, np.nan)
    levers = {"total_classes_held": path[None]}
    if staff is not None:
        levers["staff_utilization_rate"] = np.full((1, 12), staff)
    paths = simulate_terms(some, levers)
    plain = run_one(plain_terms(*some.plain(0)), {name: given[0].tolist() for name, given in levers.items()})
    expected = np.stack([paths.revenue[0], paths.members[0], paths.retention_rate[0]])
    np.testing.assert_allclose(plain, expected, rtol=1e-12)
