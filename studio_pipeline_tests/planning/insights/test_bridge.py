"""From one month's revenue to another's in parts: they add up, and each of them is what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverEffect
from studio_pipeline.forecasting.core.core_view import CoreView, MemberMonths, member_months
from studio_pipeline.forecasting.core.flow_terms import FlowTerms
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.insights.bridge import Bridge, KnownMonth, revenue_bridge
from studio_pipeline_tests.forecasting.fleets import without_months
from studio_pipeline_tests.forecasting.hand_made_flows import PRICE_OF_100, one_studio

MEMBER_DRIVERS = {"members_in", "members_out", "price", "mix", "season", "model_correction"}


def amounts(bridge: Bridge) -> dict[str, float]:
    return {driver.name: driver.amount for driver in bridge.drivers}


def hand_made_terms(price_slope: float = 0.0) -> FlowTerms:
    """Twelve months of 200 members without classes: a price of 100, and 20 a member besides."""
    odds = np.log(0.9 / 0.1) - price_slope * np.log(100.0)
    flows = {"retention": odds, "acquisition": np.log(30.5), "retail_yield": np.log(20.0), **PRICE_OF_100}
    effects = {"retention": {"price": LeverEffect(price_slope, 0.1)}} if price_slope else {}
    return one_studio(flows, Responses(effects))


def view_of(terms: FlowTerms, levers: dict[str, float] | None = None) -> CoreView:
    """A world without seasons."""
    held = {name: np.full((1, 12), value) for name, value in (levers or {}).items()}
    months, now = member_months(terms, held), member_months(terms, {})
    return CoreView(months, months, now, now)


KNOWN = KnownMonth(revenue=24_000.0, members=200.0, membership_revenue=20_000.0)


def test_constant_flows_follow_the_closed_form() -> None:
    h, retention, new = 5, 0.9, 30.0
    members = [200.0]
    for _ in range(h):
        members.append(members[-1] * retention + new)
    bridge = revenue_bridge(KNOWN, view_of(hand_made_terms()), members[h] * 120.0, h)
    flows = {"members_in": h * new * 120.0, "members_out": -0.1 * sum(members[:h]) * 120.0}
    expected = dict.fromkeys(MEMBER_DRIVERS, 0.0) | flows
    assert amounts(bridge) == pytest.approx(expected, abs=1e-6)
    assert bridge.joined == pytest.approx(h * new)
    assert bridge.left == pytest.approx(0.1 * sum(members[:h]))
    assert bridge.change == pytest.approx((members[h] - 200.0) * 120.0)


def test_without_responses_a_price_moves_price_alone() -> None:
    free = revenue_bridge(KNOWN, view_of(hand_made_terms()), 1.0, 6)
    dear = revenue_bridge(KNOWN, view_of(hand_made_terms(), {"avg_ticket_price": 110.0}), 1.0, 6)
    moved = {name: amount - amounts(free)[name] for name, amount in amounts(dear).items()}
    members = view_of(hand_made_terms()).ahead.members[5]
    # Whoever comes and goes does so at the mean of both prices.
    joined, left = free.joined, free.left
    assert moved["price"] == pytest.approx(10.0 * (200 + members) / 2)
    assert moved["members_in"] == pytest.approx(joined * 5.0)
    assert moved["members_out"] == pytest.approx(-left * 5.0)
    assert moved["model_correction"] == pytest.approx(-10.0 * members)
    assert (moved["mix"], moved["season"]) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_members_who_respond_to_a_price_leave_under_members_out() -> None:
    terms = hand_made_terms(price_slope=-1.2)
    free, dear = (
        revenue_bridge(KNOWN, view_of(terms, levers), 1.0, 6) for levers in ({}, {"avg_ticket_price": 110.0})
    )
    assert dear.left > 1.05 * free.left
    assert dear.joined == free.joined


def test_another_starting_stock_is_a_part_of_its_own() -> None:
    bridge = revenue_bridge(KNOWN, view_of(hand_made_terms(), {"current_member_count": 250.0}), 1.0, 1)
    assert amounts(bridge)["starting_members"] == pytest.approx(50 * 120.0)


def months(**paths: float) -> MemberMonths:
    names = ("revenue", "members", "retention_rate", "new_members", "churned_members", "price", "mix")
    return MemberMonths(*(np.array([paths.get(name, np.nan)]) for name in names))


def test_a_season_is_what_the_month_of_the_year_brings_at_both_ends() -> None:
    """A December of twice the usual revenue goes to a January of half: all of that is season."""
    usual = months(revenue=100.0)
    view = CoreView(months(revenue=50.0), usual, months(revenue=200.0), usual)
    bridge = revenue_bridge(KnownMonth(190.0, np.nan, np.nan), view, 53.0, 1)
    assert amounts(bridge) == pytest.approx({"level": 5.0, "season": -145.0, "model_correction": 3.0})


def test_customers_of_whom_nobody_knows_who_came_back_are_one_part() -> None:
    """60 customers of a usual 50 in a busy month go to 55 in a month that is usual."""
    usual, busy, then = (months(revenue=10.0 * n, members=n, price=10.0, mix=0.0) for n in (55.0, 60.0, 50.0))
    view = CoreView(ahead=usual, ahead_without_season=usual, now=busy, now_without_season=then)
    bridge = revenue_bridge(KnownMonth(600.0, 60.0, np.nan), view, 550.0, 1)
    expected = {"members": 50.0, "price": 0.0, "mix": 0.0, "season": -100.0, "model_correction": 0.0}
    assert amounts(bridge) == pytest.approx(expected)
    assert (bridge.joined, bridge.left) == (None, None)


def test_a_price_of_the_season_is_no_change_of_price() -> None:
    """A month at a discount of a tenth and half the usual retail goes to a month that is usual."""
    usual = {"members": 100.0, "price": 50.0, "mix": 8.0, "revenue": 5_800.0}
    moves = {"new_members": 10.0, "churned_members": 10.0, "retention_rate": 0.9}
    discounted = {"members": 100.0, "price": 45.0, "mix": 4.0, "revenue": 4_900.0}
    view = CoreView(months(**usual, **moves), months(**usual, **moves), months(**discounted), months(**usual))
    bridge = revenue_bridge(KnownMonth(4_900.0, 100.0, 4_500.0), view, 5_800.0, 1)
    found = amounts(bridge)
    assert found["season"] == pytest.approx(900.0)
    assert (found["price"], found["mix"]) == pytest.approx((0.0, 0.0))
    assert found["members_in"] == pytest.approx(580.0)


def test_a_change_of_nothing_has_no_shares() -> None:
    bridge = revenue_bridge(KNOWN, view_of(hand_made_terms()), 24_000.0, 3)
    assert {driver.share for driver in bridge.drivers} == {None}


def bridge_of(forecaster: Forecaster, query: ForwardQuery, month: int) -> Bridge:
    panel, (outlook,) = forecaster.panel, forecaster.outlooks([query])
    row = panel.rows[query.studio_id]
    column = panel.column_of(outlook.forecast.base_month)
    names = ("total_revenue", "total_members", "membership_revenue")
    known = KnownMonth(*(float(panel.values[name][row, column]) for name in names))
    return revenue_bridge(
        known, forecaster.core_view(query), float(outlook.forecast.revenue[month - 1]), month
    )


LEVERS = {"avg_ticket_price": (90, 180), "retention_rate": (0.8, 0.99), "new_members_monthly": (0, 60)}
LEVERS |= {"upsell_rate": (0.05, 0.4), "total_classes_held": (80, 250), "current_member_count": (100, 400)}
LEVERS |= {"staff_utilization_rate": (0.65, 0.98)}


@given(
    row=st.integers(7, 23),
    ago=st.integers(0, 8),
    month=st.integers(1, 12),
    levers=st.fixed_dictionaries({}, optional={n: st.floats(*ends) for n, ends in LEVERS.items()}),
)
@settings(max_examples=60, deadline=None)
def test_parts_add_up_with_any_levers(forecaster, row, ago, month, levers) -> None:
    panel = forecaster.panel
    query = ForwardQuery(str(panel.studio_ids[row]), panel.months[-1 - ago], 12, levers)
    bridge = bridge_of(forecaster, query, month)
    assert sum(amounts(bridge).values()) == pytest.approx(bridge.change, abs=1e-6)
    assert sum(driver.share or 0.0 for driver in bridge.drivers) == pytest.approx(1.0, abs=1e-6)
    assert amounts(bridge).keys() - {"starting_members"} == MEMBER_DRIVERS
    assert np.isfinite(list(amounts(bridge).values())).all()


ALL_BUT_MEMBERS = {"level", "season", "model_correction"}


@pytest.mark.parametrize(("row", "names"), [*((r, MEMBER_DRIVERS) for r in (0, 4, 5)), (6, ALL_BUT_MEMBERS)])
def test_thin_data_have_the_parts_that_they_carry(forecaster: Forecaster, row: int, names: set[str]) -> None:
    query = ForwardQuery(str(forecaster.panel.studio_ids[row]), projection_months=12)
    bridge = bridge_of(forecaster, query, 12)
    assert amounts(bridge).keys() == names
    assert sum(amounts(bridge).values()) == pytest.approx(bridge.change, abs=1e-6)
    assert (bridge.joined is None) == (row == 6)


def test_the_view_ahead_is_the_core_s_own_projection(forecaster: Forecaster) -> None:
    panel, store = forecaster.panel, forecaster._store
    for row in (0, 6, 9):
        column = int(panel.last_months[row])
        ((block, place),) = store.find([(row, column)])
        view = forecaster.core_view(ForwardQuery(str(panel.studio_ids[row])))
        np.testing.assert_allclose(view.ahead.revenue, block.core[place, 0], rtol=1e-12)


def test_without_seasons_the_year_s_shape_is_gone(forecaster: Forecaster) -> None:
    def roughness(path: FloatArray) -> float:
        return float(np.abs(np.diff(np.log(path), 2)).mean())

    rougher = []
    for name in forecaster.panel.studio_ids[7:]:
        view = forecaster.core_view(ForwardQuery(str(name)))
        rougher.append(roughness(view.ahead.revenue) / roughness(view.ahead_without_season.revenue))
    assert np.median(rougher) > 3


def test_a_view_from_a_month_back_knows_nothing_later(forecaster: Forecaster) -> None:
    panel = forecaster.panel
    name, month = str(panel.studio_ids[9]), panel.months[-4]
    later = Forecaster(forecaster.model, without_months(panel, slice(None), range(-3, 0)))
    one, other = (f.core_view(ForwardQuery(name, month)) for f in (forecaster, later))
    np.testing.assert_allclose(one.ahead_without_season.revenue, other.ahead_without_season.revenue)
    np.testing.assert_allclose(one.now.price, other.now.price)
