"""Plans as a whole: what they promise is what the forecaster says, within every limit, at no hidden price."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_pipeline.errors import BaseMonthError, LeverError, UnknownStudioError
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.planning.inverse.queries import Plan, PlanQuery
from studio_pipeline.planning.levers import DECREASE_LIMITS, INCREASE_LIMITS
from studio_pipeline_tests.forecasting.fleets import ALL_EIGHT, answered, in_currency, without_columns
from studio_pipeline_tests.planning.fixtures import (
    DEFAULTS,
    drawn_question,
    forecaster,
    lifted,
    plan,
    setup_of,
    studio,
)

REST_FROZEN = frozenset(HELD_LEVERS) - {"avg_ticket_price"}
DRAWN = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def levers_of(made: Plan) -> dict[str, float]:
    return {lever: value for lever, value in made.recommended_levers.items() if value is not None}


def forward(at_hand: Forecaster, query: PlanQuery, levers: dict[str, float], steps: tuple = ()) -> float:
    """What the public path says, to the cent."""
    when = query.studio_id, query.base_month, query.target_months
    asked = ForwardQuery(*when, levers, steps, class_capacity=query.class_capacity)
    (answer,) = answered(at_hand, [asked])
    return round(float(answer.revenue[-1] if query.target_kind == "month" else answer.revenue.sum()), 2)


@DRAWN
@given(st.integers(0, 10_000), st.booleans())
def test_a_plan_is_proved_and_keeps_its_limits(seed: int, with_learners: bool) -> None:
    at_hand = forecaster(with_learners)
    try:
        query = drawn_question(at_hand, seed)
    except LeverError:
        return
    made, setup = plan(query, at_hand), setup_of(query, at_hand)
    levers = levers_of(made)
    assert made.achievable_revenue == forward(at_hand, query, levers)
    assert made.feasible == (made.achievable_revenue >= query.target_revenue)
    assert made.dated_revenue == forward(at_hand, query, dict(setup.present), made.lever_plan)
    assert made.present_revenue == forward(at_hand, query, dict(setup.present))
    for place, lever in enumerate(HELD_LEVERS):
        if lever not in levers:
            continue
        now, up = setup.present[lever], INCREASE_LIMITS[lever]
        limit = getattr(DEFAULTS.limits, up)
        if limit is not None:
            assert levers[lever] <= now + limit + 1e-9
        assert setup.ranges.low[place] - 1e-9 <= levers[lever] <= setup.ranges.high[place] + 1e-9
        if lever in query.frozen_levers:
            assert levers[lever] == now
        if lever in ("new_members_monthly", "total_classes_held"):
            assert levers[lever] == math.floor(levers[lever])
    assert levers.get("current_member_count") == setup.present.get("current_member_count")
    gain = made.achievable_revenue - made.present_revenue
    assert sum(c.impact_on_revenue for c in made.lever_changes.values()) == pytest.approx(gain, abs=0.011)
    assert sum(a.expected_impact for a in made.action_plan) == pytest.approx(gain, abs=0.011)
    assert sum(c.cost for c in made.lever_changes.values()) == pytest.approx(made.plan_cost, abs=1e-6)
    assert 0 <= made.confidence_score <= 1
    assert all(0 <= change.feasibility_score <= 1 for change in made.lever_changes.values())
    assert [action.priority for action in made.action_plan] == list(range(1, len(made.action_plan) + 1))
    if not made.feasible:
        assert "can't be reached" in made.warnings[0]


@DRAWN
@given(st.integers(0, 10_000))
def test_a_looser_limit_never_costs_more(seed: int) -> None:
    try:
        query = drawn_question(forecaster(), seed)
    except LeverError:
        return
    tight = plan(query)
    looser = dict(DEFAULTS.limits.model_dump())
    looser |= {"max_ticket_increase": 30.0, "max_retention_increase": 0.07, "max_new_members_increase": 15}
    loose = plan(replace(query, limits=looser | {"max_upsell_increase": 0.1}))
    if tight.feasible:
        assert loose.feasible
        if query.is_least_cost:
            assert loose.plan_cost <= tight.plan_cost * 1.02 + 0.05
    else:
        assert loose.achievable_revenue >= tight.achievable_revenue - 0.011


def test_a_price_rise_is_never_free() -> None:
    query = PlanQuery(studio(0), 1.0, target_months=4, frozen_levers=REST_FROZEN - {"retention_rate"})
    query = replace(query, limits={"max_retention_increase": 0.0, "max_ticket_increase": None})
    # Keeping members costs so much that a little of the rise is lost to those who leave.
    query = replace(query, lever_costs={"retention_rate": 1e7})
    made = plan(lifted(query, 1.04))
    assert made.feasible
    change = made.lever_changes["avg_ticket_price"]
    assert change.recommended > change.current
    assert made.lever_changes["retention_rate"].recommended < made.lever_changes["retention_rate"].current
    assert made.lever_changes["retention_rate"].cost == 0
    # New members are frozen: holding them against the price is paid.
    held = made.lever_changes["new_members_monthly"]
    assert held.recommended == held.current
    assert held.cost > 0
    assert held.impact_on_revenue == 0
    sentences = {action.lever: action.action for action in made.action_plan}
    assert sentences["avg_ticket_price"].startswith("Raise the monthly ticket from ")
    assert sentences["retention_rate"].startswith("Expect the share of members who stay each month to fall")
    assert "without effort" in sentences["new_members_monthly"]


@pytest.mark.parametrize("share", [0.2, 0.99, 1.0])
def test_a_target_that_is_reached_already_changes_nothing(share: float) -> None:
    query = lifted(PlanQuery(studio(0), 1.0, target_months=6), share)
    made = plan(query)
    assert made.feasible
    assert (made.plan_cost, made.lever_changes, made.action_plan, made.lever_plan) == (0, {}, (), ())
    assert made.achievable_revenue == made.present_revenue == made.dated_revenue
    assert "nothing has to change" in made.warnings[0]
    assert levers_of(made) == pytest.approx(setup_of(query).present)


@pytest.mark.parametrize("with_learners", [False, True])
def test_a_target_out_of_reach_is_told_with_what_to_relax_first(with_learners: bool) -> None:
    query = lifted(PlanQuery(studio(0), 1.0, target_months=3), 3.0)
    at_hand = forecaster(with_learners)
    made = plan(query, at_hand)
    assert not made.feasible
    assert made.achievement_rate < 1
    assert made.alternatives == ()
    adds = [limit.adds_revenue for limit in made.binding_limits]
    assert adds == sorted(adds, reverse=True)
    assert adds[0] > 0
    assert made.binding_limits[0].limit in made.warnings[0]
    named = made.binding_limits[0].limit
    assert named in INCREASE_LIMITS.values() or named in DECREASE_LIMITS.values() or "_" in named
    # It is the end of what can be had: no drawn plan within the limits earns more.
    setup = setup_of(query, at_hand)
    rng = np.random.default_rng(0)
    drawn = (
        setup.problem.low[:, None] + rng.random((7, 4000)) * (setup.problem.high - setup.problem.low)[:, None]
    )
    kept, possible = setup.problem.settled(drawn)
    assert setup.revenue(kept[:, possible][:, :300]).max() <= made.achievable_revenue * (1 + 1e-3)


def test_one_more_unit_of_a_binding_limit_adds_what_is_said() -> None:
    frozen = frozenset(HELD_LEVERS) - {"upsell_rate"}
    query = lifted(PlanQuery(studio(0), 1.0, frozen_levers=frozen), 3.0)
    made = plan(query)
    (limit,) = made.binding_limits
    assert (limit.limit, limit.one_unit) == ("max_upsell_increase", 0.01)
    wider = plan(replace(query, limits={"max_upsell_increase": DEFAULTS.limits.max_upsell_increase + 0.01}))
    assert wider.achievable_revenue - made.achievable_revenue == pytest.approx(limit.adds_revenue, abs=0.02)


def test_alternatives_reach_the_target_by_other_means() -> None:
    query = lifted(PlanQuery(studio(0), 1.0, target_months=6), 1.03)
    made = plan(query, configuration=DEFAULTS)
    assert made.alternatives
    main = max(made.lever_changes, key=lambda lever: made.lever_changes[lever].impact_on_revenue)
    present = setup_of(query).present
    for other in made.alternatives:
        levers = {lever: value for lever, value in other.recommended_levers.items() if value is not None}
        assert other.achievable_revenue >= query.target_revenue
        assert other.achievable_revenue == forward(forecaster(), query, levers)
        assert levers[main] <= present[main]
        assert other.plan_cost >= made.plan_cost - 0.05


def test_twice_the_money_is_twice_the_cost_and_the_same_plan() -> None:
    at_hand = forecaster()
    panel = in_currency(at_hand.panel, 2.0)
    limits = {"max_ticket_increase": 10.0, "max_retention_increase": 0.01}
    query = replace(lifted(PlanQuery(studio(0), 1.0, target_months=4), 1.08), limits=limits)
    made = plan(query)
    doubled_model = replace(at_hand.model, core=twice_the_prices(at_hand.model.core))
    doubled = replace(
        query, target_revenue=2 * query.target_revenue, limits=limits | {"max_ticket_increase": 20.0}
    )
    twice = plan(doubled, Forecaster(doubled_model, panel))
    assert twice.plan_cost == pytest.approx(2 * made.plan_cost, rel=1e-3)
    for lever, value in levers_of(made).items():
        factor = 2.0 if lever == "avg_ticket_price" else 1.0
        assert twice.recommended_levers[lever] == pytest.approx(factor * value, rel=1e-3)


def twice_the_prices(core):
    """The core of a fleet whose money is counted in halves: type levels of prices and yields move along."""
    money = ("ticket", "revenue", "pack_yield", "retail_yield", "upsell_yield", "other_yield")
    shift = math.log(2.0)
    flows = {
        name: replace(flow, type_mean=flow.type_mean + shift) if name in money else flow
        for name, flow in core.flows.items()
    }
    return replace(core, flows=flows)


def test_costs_come_from_the_request_then_the_configuration_then_the_shares() -> None:
    query = lifted(PlanQuery(studio(0), 1.0), 1.02)
    absolute = PlanningConfig.model_validate({"lever_costs": {"avg_ticket_price": 7.0}})
    by_share, by_file = setup_of(query).costs, setup_of(query, configuration=absolute).costs
    by_request = setup_of(replace(query, lever_costs={"avg_ticket_price": 0.0}), configuration=absolute).costs
    members = setup_of(query).present["current_member_count"]
    assert by_share[1] == pytest.approx(DEFAULTS.cost_shares.avg_ticket_price * members)
    assert (by_file[1], by_request[1]) == (7.0, 0.0)
    np.testing.assert_array_equal(by_share[[0, 2, 3, 4, 5, 6]], by_request[[0, 2, 3, 4, 5, 6]])


def test_a_cheap_lever_is_used_and_a_dear_one_is_not() -> None:
    query = lifted(PlanQuery(studio(0), 1.0, target_months=6), 1.03)
    dear = dict.fromkeys(HELD_LEVERS, 1e7)
    for cheap in ("retention_rate", "avg_ticket_price", "new_members_monthly"):
        limits = {INCREASE_LIMITS[cheap]: None, "max_retention_decrease": None}
        made = plan(replace(query, lever_costs={**dear, cheap: 1e-3}, limits=limits))
        main = max(made.lever_changes, key=lambda lever: made.lever_changes[lever].impact_on_revenue)
        assert main == cheap


def test_least_relative_change_is_another_measure() -> None:
    query = lifted(PlanQuery(studio(0), 1.0, target_months=6), 1.06)
    cheap, small = plan(query), plan(replace(query, is_least_cost=False))
    relative = setup_of(replace(query, is_least_cost=False)).problem
    assert relative.weights[0] == pytest.approx(1 / relative.present[0])

    def total(made: Plan) -> float:
        x = np.array([[made.recommended_levers[lever]] for lever in HELD_LEVERS])
        return float(relative.burden(x)[0])

    assert total(small) <= total(cheap) + 1e-4
    assert cheap.plan_cost <= small.plan_cost + 0.05


def test_what_the_data_don_t_carry_is_null_and_said() -> None:
    no_classes = plan(lifted(PlanQuery(studio(4), 1.0), 1.02))
    assert no_classes.recommended_levers["total_classes_held"] is None
    assert no_classes.recommended_levers["class_attendance_rate"] is None
    assert any("total_classes_held" in sentence for sentence in no_classes.warnings)
    with pytest.raises(LeverError, match="no total_members"):
        plan(PlanQuery(studio(6), 1e5))


def test_without_flows_of_members_the_price_is_held() -> None:
    at_hand = forecaster()
    flows = ("new_members", "churned_members", "retention_rate")
    bare = Forecaster(at_hand.model, without_columns(at_hand.panel, flows, 0))
    made = plan(lifted(PlanQuery(studio(0), 1.0), 1.02, bare), bare)
    assert "avg_ticket_price" not in made.lever_changes
    assert made.recommended_levers["retention_rate"] is None
    assert any("avg_ticket_price is held" in sentence for sentence in made.warnings)


def test_a_new_studio_is_planned_from_all_eight() -> None:
    query = PlanQuery("new", 1.0, current_state=ALL_EIGHT, studio_type="Yoga", class_capacity=18.0)
    made = plan(lifted(query, 1.05))
    assert made.feasible
    asked = ForwardQuery("new", None, 3, levers_of(made), studio_type="Yoga", class_capacity=18.0)
    (answer,) = answered(forecaster(), [asked])
    assert round(float(answer.revenue[-1]), 2) == made.achievable_revenue
    with pytest.raises(UnknownStudioError, match="all eight"):
        plan(PlanQuery("new", 1e5, current_state={"retention_rate": 0.9}))


def test_the_present_is_the_request_s_else_of_three_months() -> None:
    at_hand = forecaster()
    values = {name: array[0, -3:] for name, array in at_hand.panel.values.items()}
    present = setup_of(PlanQuery(studio(0), 1.0, current_state={"upsell_rate": 0.21})).present
    assert present["avg_ticket_price"] == pytest.approx(values["avg_ticket_price"].mean())
    assert present["new_members_monthly"] == math.floor(values["new_members"].mean() + 0.5)
    assert present["current_member_count"] == values["total_members"][-1]
    assert present["upsell_rate"] == 0.21


def test_a_stated_fraction_is_taken_and_a_change_of_it_is_whole() -> None:
    query = PlanQuery(studio(0), 1, current_state={"new_members_monthly": 20.4, "total_classes_held": 190.5})
    still = plan(lifted(query, 0.9))
    assert still.recommended_levers["new_members_monthly"] == 20.4
    costs = {**dict.fromkeys(HELD_LEVERS, 1e7), "new_members_monthly": 1.0}
    moved = plan(replace(lifted(query, 1.01), lever_costs=costs))
    value = moved.recommended_levers["new_members_monthly"]
    assert value > 20.4
    assert value == math.floor(value)
    assert moved.recommended_levers["total_classes_held"] == 190.5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target_revenue": 0.0}, "target_revenue"),
        ({"target_revenue": math.nan}, "target_revenue"),
        ({"current_state": {"retention_rate": 0.01}}, "current_state: retention_rate"),
        ({"current_state": {"avg_ticket_price": math.inf}}, "current_state: avg_ticket_price"),
        ({"frozen_levers": frozenset({"colour"})}, "frozen_levers"),
        ({"lever_costs": {"colour": 1.0}}, "lever_costs"),
        ({"lever_costs": {"upsell_rate": -1.0}}, "lever_costs.upsell_rate"),
        ({"limits": {"max_colour_increase": 1.0}}, "max_colour_increase"),
        ({"limits": {"max_ticket_increase": -1.0}}, "max_ticket_increase"),
        ({"limits": {"max_ticket_increase": math.nan}}, "max_ticket_increase"),
    ],
)
def test_what_can_t_be_planned_is_refused_by_its_field(change: dict[str, object], said: str) -> None:
    with pytest.raises(LeverError, match=said.replace(".", r"\.")) as caught:
        plan(replace(PlanQuery(studio(0), 1e5), **change))
    assert caught.value.remedy


def test_levers_that_the_data_don_t_carry_and_months_that_aren_t_there_are_refused() -> None:
    with pytest.raises(LeverError, match="total_classes_held"):
        plan(PlanQuery(studio(4), 1e5, current_state={"total_classes_held": 100.0}))
    with pytest.raises(BaseMonthError):
        plan(PlanQuery(studio(0), 1e5, base_month=np.datetime64("1999-01", "M")))


def test_null_sets_no_limit_but_the_bounds() -> None:
    frozen = REST_FROZEN - {"retention_rate", "new_members_monthly"}
    query = replace(
        lifted(PlanQuery(studio(0), 1.0, frozen_levers=frozen), 1.0), limits={"max_ticket_increase": None}
    )
    setup = setup_of(query)
    shown = setup.origin.shown["avg_ticket_price"][1]
    assert setup.ranges.high[1] == max(LEVER_BOUNDS["avg_ticket_price"].high, 2 * shown)
