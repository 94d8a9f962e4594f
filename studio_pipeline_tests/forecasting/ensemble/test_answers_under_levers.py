"""Stocks and flows add up, given levers are held exactly, and each lever moves revenue the right way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.flows import FLOW_LINKS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery, LeverEffect, LeverStep
from studio_pipeline.forecasting.core.flow_terms import OriginStock, flow_terms
from studio_pipeline.forecasting.core.parameters import NO_PLANNING
from studio_pipeline.forecasting.core.simulation import CorePaths, simulate_terms
from studio_pipeline.forecasting.core.states import core_states, project_core
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.forecaster.requests import lever_paths
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.forecasting.fleets import Fitted, answered, fit_all, generated_panel

RISES = {
    "retention_rate": (0.88, 0.94),
    "new_members_monthly": (10.0, 20.0),
    "upsell_rate": (0.1, 0.3),
    "current_member_count": (150.0, 200.0),
}
"""Two values of each lever of which the higher must earn more."""


@pytest.fixture(scope="module")
def fleet() -> Fitted:
    return fit_all(generated_panel(), learners=("lightgbm",))


@pytest.fixture(scope="module")
def forecaster(fleet: Fitted) -> Forecaster:
    return Forecaster(fleet.model_of_all, fleet.panel)


def core_paths(fleet: Fitted, levers: dict[str, float]) -> CorePaths:
    origins = Origins(np.arange(fleet.panel.n_studios), fleet.panel.last_months)
    given_levers = {name: np.full((len(origins), 12), value) for name, value in levers.items()}
    return project_core(core_states(fleet.panel, fleet.core.parameters), origins, given_levers)


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
def test_members_are_last_month_s_times_retention_plus_new(fleet: Fitted, levers: dict[str, float]) -> None:
    paths = core_paths(fleet, levers)
    start = fleet.panel.values["total_members"][:, -1]
    first = np.full_like(start, levers["current_member_count"]) if "current_member_count" in levers else start
    before = np.column_stack([first, paths.members[:, :-1]])
    np.testing.assert_allclose(paths.members, before * paths.retention_rate + paths.new_members)
    held = {
        "retention_rate": paths.retention_rate,
        "new_members_monthly": paths.new_members,
        "avg_ticket_price": paths.avg_ticket_price,
    }
    for name, value in levers.items():
        if name in held:
            assert (held[name] == value).all()


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
    terms = flow_terms(flows, stock, Responses({}), NO_PLANNING)
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


def test_a_price_costs_members_by_the_response_in_the_arithmetic() -> None:
    flows = {name: np.full((1, 12), np.nan) for name in FLOW_LINKS}
    flows |= {
        "retention": np.full((1, 12), 2.5),
        "acquisition": np.full((1, 12), 3.0),
        "ticket": np.log(np.full((1, 12), 100.0)),
        "realisation": np.zeros((1, 12)),
    }
    stock = OriginStock(np.array([200.0]), np.array([np.nan]), np.array([np.nan]), np.array([600]))
    responses = Responses({"retention": {"price": LeverEffect(-0.8, 0.1)}})
    terms = flow_terms(flows, stock, responses, NO_PLANNING)
    prices = [np.full((1, 12), price) for price in (100.0, 110.0)]
    paths = [simulate_terms(terms, {"avg_ticket_price": price}) for price in prices]
    odds = [p.retention_rate / (1 - p.retention_rate) for p in paths]
    np.testing.assert_allclose(np.log(odds[1] / odds[0]), -0.8 * np.log(1.1))


def ask(
    forecaster: Forecaster, lever: str, value: float, others: Mapping[str, float] | None = None
) -> list[Forecast]:
    levers = {lever: value, **(others or {})}
    names = forecaster.panel.studio_ids
    return answered(forecaster, [ForwardQuery(str(n), projection_months=12, levers=levers) for n in names])


@pytest.mark.parametrize("lever", RISES)
def test_more_of_a_lever_earns_more(forecaster: Forecaster, lever: str) -> None:
    low, high = RISES[lever]
    for a, b in zip(ask(forecaster, lever, low), ask(forecaster, lever, high), strict=True):
        assert (b.revenue > a.revenue).all()


def test_a_higher_price_earns_more_at_once_and_never_wins_members(forecaster: Forecaster) -> None:
    for a, b in zip(
        ask(forecaster, "avg_ticket_price", 120.0), ask(forecaster, "avg_ticket_price", 126.0), strict=True
    ):
        assert b.revenue[0] > a.revenue[0]
        assert (b.member_count <= a.member_count + 1e-9).all()


def test_fuller_classes_sell_more_packs_and_more_classes_never_less(forecaster: Forecaster) -> None:
    """More classes for staff who work as much as before: else they may be overworked, and members leave."""
    staffed = {"staff_utilization_rate": 0.8}
    for lever, low, high in (("class_attendance_rate", 0.5, 0.6), ("total_classes_held", 80.0, 120.0)):
        for a, b in zip(
            ask(forecaster, lever, low, staffed), ask(forecaster, lever, high, staffed), strict=True
        ):
            assert b.revenue[0] >= a.revenue[0] * (1 - 1e-9)
            assert lever != "class_attendance_rate" or b.revenue[0] > a.revenue[0]


def test_overworked_staff_never_wins_members(forecaster: Forecaster) -> None:
    pairs = zip(
        ask(forecaster, "staff_utilization_rate", 0.85),
        ask(forecaster, "staff_utilization_rate", 0.98),
        strict=True,
    )
    assert all((b.member_count <= a.member_count + 1e-9).all() for a, b in pairs)


PLANS = [
    LeverStep(4, {"avg_ticket_price": 180.0}),
    LeverStep(4, {"retention_rate": 0.85}),
    LeverStep(4, {"new_members_monthly": 40.0}),
    LeverStep(4, {"class_attendance_rate": 0.8}),
    LeverStep(4, {"staff_utilization_rate": 0.97}),
    LeverStep(4, {"upsell_rate": 0.4}),
    LeverStep(4, {"total_classes_held": 60.0}),
    LeverStep(4, {"retention_rate": 0.85, "new_members_monthly": 40.0, "avg_ticket_price": 180.0}),
]


@pytest.mark.parametrize("step", PLANS, ids=lambda s: "+".join(s.levers))
def test_a_plan_from_month_4_changes_months_4_and_later_alone(
    forecaster: Forecaster, step: LeverStep
) -> None:
    names = [str(name) for name in forecaster.panel.studio_ids]
    free = answered(forecaster, [ForwardQuery(n, projection_months=12) for n in names])
    planned = answered(forecaster, [ForwardQuery(n, projection_months=12, lever_plan=(step,)) for n in names])
    for a, b in zip(free, planned, strict=True):
        for x, y in (
            (a.revenue, b.revenue),
            (a.member_count, b.member_count),
            (a.retention_rate, b.retention_rate),
        ):
            np.testing.assert_allclose(y[:3], x[:3], rtol=1e-9)
    changed = [
        ~np.isclose(a.revenue[3:], b.revenue[3:], rtol=1e-12).all()
        for a, b in zip(free, planned, strict=True)
    ]
    responds = forecaster.model.core.responses.slope("retention", "overwork") != 0
    assert all(changed) or ("staff_utilization_rate" in step.levers and not responds)


def test_held_levers_are_held_exactly_in_the_answer(forecaster: Forecaster) -> None:
    held = {"retention_rate": 0.91, "new_members_monthly": 17.0, "current_member_count": 180.0}
    name = str(forecaster.panel.studio_ids[3])
    answer = answered(forecaster, [ForwardQuery(name, projection_months=12, levers=held)])[0]
    assert (answer.retention_rate == 0.91).all()
    members = 180.0
    for h in range(12):
        members = members * 0.91 + 17.0
        assert answer.member_count[h] == pytest.approx(members, rel=1e-9)


def test_what_is_held_at_what_happens_anyway_changes_little(forecaster: Forecaster, fleet: Fitted) -> None:
    """A lever given at the core's own path of it leaves the core's path."""
    free = core_paths(fleet, {})
    origins = Origins(np.arange(fleet.panel.n_studios), fleet.panel.last_months)
    own: dict[str, FloatArray] = {
        "retention_rate": free.retention_rate,
        "new_members_monthly": free.new_members,
        "avg_ticket_price": free.avg_ticket_price,
    }
    again = project_core(core_states(fleet.panel, fleet.core.parameters), origins, own)
    np.testing.assert_allclose(again.revenue, free.revenue)


def test_steps_of_a_plan_follow_one_another_whatever_their_order() -> None:
    steps = (LeverStep(6, {"upsell_rate": 0.3}), LeverStep(3, {"upsell_rate": 0.2}))
    path = lever_paths([ForwardQuery("a", levers={"upsell_rate": 0.1}, lever_plan=steps)])["upsell_rate"]
    assert path[0].tolist() == [0.1, 0.1, 0.2, 0.2, 0.2, *[0.3] * 7]
