"""Stocks and flows add up, given levers are held exactly, and each lever moves revenue the right way."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.flows import FLOW_LINKS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.core.flow_terms import OriginStock, flow_terms
from studio_pipeline.forecasting.core.parameters import NO_PLANNING
from studio_pipeline.forecasting.core.simulation import CorePaths, simulate_terms
from studio_pipeline.forecasting.core.states import core_states, project_core
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.forecaster.requests import lever_paths
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.forecasting.fleets import answered, small_fleet, year_ahead


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    """Of the studios that lack no column and no month."""
    return Forecaster(small_fleet().model_of_all, small_fleet().panel.select(slice(7, None)))


def core_paths(forecaster: Forecaster, levers: Mapping[str, FloatArray | float]) -> CorePaths:
    panel = forecaster.panel
    origins = Origins(np.arange(panel.n_studios), panel.last_months)
    given_levers = {name: np.broadcast_to(value, (len(origins), 12)) for name, value in levers.items()}
    return project_core(core_states(panel, forecaster.model.core), origins, given_levers)


def lever_paths_of(paths: CorePaths) -> dict[str, FloatArray]:
    names = ("retention_rate", "new_members_monthly", "avg_ticket_price")
    return dict(zip(names, (paths.retention_rate, paths.new_members, paths.avg_ticket_price), strict=True))


@pytest.mark.parametrize(
    "levers",
    [
        {},
        {"retention_rate": 0.9},
        {"new_members_monthly": 30.0},
        {"retention_rate": 0.95, "new_members_monthly": 12.0, "current_member_count": 222.0},
        {"avg_ticket_price": 200.0, "total_classes_held": 90.0},
    ],
)
def test_members_are_last_month_s_times_retention_plus_new(
    forecaster: Forecaster, levers: dict[str, float]
) -> None:
    paths = core_paths(forecaster, levers)
    start = forecaster.panel.values["total_members"][:, -1]
    first = np.full_like(start, levers["current_member_count"]) if "current_member_count" in levers else start
    before = np.column_stack([first, paths.members[:, :-1]])
    np.testing.assert_allclose(paths.members, before * paths.retention_rate + paths.new_members)
    held = lever_paths_of(paths)
    for name in levers.keys() & held.keys():
        assert (held[name] == levers[name]).all()


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_the_arithmetic_against_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    flows = {name: rng.normal(0, 0.3, (3, 12)) for name in FLOW_LINKS}
    flows["retention"] += 2.5
    flows["acquisition"] += 3.0
    flows["ticket"] += 4.5
    flows["classes"] += 4.0
    stock = OriginStock(
        rng.uniform(50, 300, 3), rng.uniform(10, 30, 3), rng.uniform(0.3, 0.9, 3), np.full(3, 600)
    )
    terms = flow_terms(flows, stock, Responses({}).rows(["a", "b", "c"]), NO_PLANNING)
    paths = simulate_terms(terms, {"upsell_rate": np.full((3, 12), 0.2)})
    for i in range(3):
        members = stock.members[i]
        for h in range(12):
            retention = 1 / (1 + np.exp(-flows["retention"][i, h]))
            members = members * retention + max(np.exp(flows["acquisition"][i, h]) - 0.5, 0)
            assert paths.members[i, h] == pytest.approx(members)
            ticket = members * np.exp(flows["ticket"][i, h] + flows["realisation"][i, h])
            packs = paths.attendance_rate[i, h] * np.exp(flows["classes"][i, h]) * stock.class_capacity[i]
            extras = packs * np.exp(flows["pack_yield"][i, h])
            extras += members * np.exp(flows["retail_yield"][i, h])
            extras += members * 0.2 * np.exp(flows["upsell_yield"][i, h])
            extras += members * np.exp(flows["other_yield"][i, h])
            assert paths.revenue[i, h] == pytest.approx(ticket + extras)


STAFFED = {"staff_utilization_rate": 0.8}
"""More classes for staff who work as much as before: else they may be overworked, and members leave."""

MORE: dict[str, tuple[float, float, dict[str, float]]] = {
    "retention_rate": (0.88, 0.94, {}),
    "new_members_monthly": (10.0, 20.0, {}),
    "upsell_rate": (0.1, 0.3, {}),
    "current_member_count": (150.0, 200.0, {}),
    "avg_ticket_price": (120.0, 126.0, {}),
    "class_attendance_rate": (0.5, 0.6, STAFFED),
    "total_classes_held": (80.0, 120.0, STAFFED),
    "staff_utilization_rate": (0.85, 0.98, {}),
}
"""Less and more of each lever, and what is held besides."""

EARN_IN_EVERY_MONTH = ("retention_rate", "new_members_monthly", "upsell_rate", "current_member_count")
EARN_AT_ONCE = (*EARN_IN_EVERY_MONTH, "avg_ticket_price", "class_attendance_rate")
NEVER_WIN_MEMBERS = ("avg_ticket_price", "staff_utilization_rate")


@pytest.mark.parametrize("lever", MORE)
def test_more_of_a_lever_works_the_way_it_must(forecaster: Forecaster, lever: str) -> None:
    *values, others = MORE[lever]
    asked = (year_ahead(forecaster.panel, levers={lever: value, **others}) for value in values)
    for less, more in zip(*(answered(forecaster, queries) for queries in asked), strict=True):
        if lever in EARN_IN_EVERY_MONTH:
            assert (more.revenue > less.revenue).all()
        if lever in EARN_AT_ONCE:
            assert more.revenue[0] > less.revenue[0]
        if lever == "total_classes_held":
            assert more.revenue[0] >= less.revenue[0] * (1 - 1e-9)
        if lever in NEVER_WIN_MEMBERS:
            assert (more.member_count <= less.member_count + 1e-9).all()


def test_held_levers_are_held_exactly_in_the_answer(forecaster: Forecaster) -> None:
    held = {"retention_rate": 0.91, "new_members_monthly": 17.0, "current_member_count": 180.0}
    name = str(forecaster.panel.studio_ids[3])
    answer = answered(forecaster, [ForwardQuery(name, projection_months=12, levers=held)])[0]
    assert (answer.retention_rate == 0.91).all()
    members = 180.0
    for h in range(12):
        members = members * 0.91 + 17.0
        assert answer.member_count[h] == pytest.approx(members, rel=1e-9)


def test_what_is_held_at_what_happens_anyway_changes_nothing(forecaster: Forecaster) -> None:
    """A lever given at the core's own path of it leaves the core's path."""
    free = core_paths(forecaster, {})
    np.testing.assert_allclose(core_paths(forecaster, lever_paths_of(free)).revenue, free.revenue)


def test_steps_of_a_plan_follow_one_another_whatever_their_order() -> None:
    steps = (LeverStep(6, {"upsell_rate": 0.3}), LeverStep(3, {"upsell_rate": 0.2}))
    path = lever_paths([ForwardQuery("a", levers={"upsell_rate": 0.1}, lever_plan=steps)])["upsell_rate"]
    assert path[0].tolist() == [0.1, 0.1, 0.2, 0.2, 0.2, *[0.3] * 7]
