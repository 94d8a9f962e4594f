"""What an estimated response leaves open of a lever's effect, beside studios whose response is drawn."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import regressor_changes, response_deviation
from studio_pipeline.forecasting.responses.regressors import Comfort
from studio_pipeline.panel.arrays import FloatArray

MONTHS = 12
RETENTION, JOINING, REVENUE_PER_MEMBER = 0.93, 20.0, 120.0
MEMBERS = JOINING / (1 - RETENTION)
USUAL = {
    "avg_ticket_price": 100.0,
    "staff_utilization_rate": 0.8,
    "current_member_count": 200.0,
    "visits": 5.0,
    "total_classes_held": 100.0,
    "class_capacity": 20.0,
}


def usual(name: str) -> float:
    return USUAL.get(name, float("nan"))


def effect(error: float) -> LeverEffect:
    return LeverEffect(-1.0, error)


def deviation(
    effects: Mapping[str, Mapping[str, LeverEffect]],
    changes: Mapping[str, FloatArray | float],
    levers: Mapping[str, FloatArray] = MappingProxyType({}),
    revenue: float = 1.0,
    retention: float = 0.9,
) -> FloatArray:
    """(MONTHS,) of a studio whose revenue and retention stay where they are."""
    moved = {name: np.broadcast_to(change, MONTHS) for name, change in changes.items()}
    return response_deviation(effects, np.full(MONTHS, revenue), np.full(MONTHS, retention), moved, levers)


def revenue_of(price_change: FloatArray, slope: float, flow: str) -> FloatArray:
    """(MONTHS,) revenue of a studio whose flow responds to the price by a slope, on its own scale."""
    members, found = MEMBERS, []
    for moved in np.exp(slope * price_change):
        odds = RETENTION / (1 - RETENTION) * (moved if flow == "retention" else 1.0)
        members = members * odds / (1 + odds) + JOINING * (moved if flow == "acquisition" else 1.0)
        found.append(members * REVENUE_PER_MEMBER)
    return np.array(found)


@pytest.mark.parametrize("flow", ["retention", "acquisition"])
@pytest.mark.parametrize("from_month", [1, 5])
def test_it_is_the_spread_over_studios_whose_response_is_drawn(flow: str, from_month: int) -> None:
    error = 0.02
    change = np.where(np.arange(1, MONTHS + 1) >= from_month, np.log(1.1), 0.0)
    slopes = error * np.random.default_rng(1).standard_normal(2000)
    drawn = np.std([revenue_of(change, slope, flow) for slope in slopes], axis=0)
    effects, revenue = {flow: {"price": effect(error)}}, MEMBERS * REVENUE_PER_MEMBER
    found = deviation(effects, {"price": change}, revenue=revenue, retention=RETENTION)
    np.testing.assert_allclose(found, drawn, rtol=0.06, atol=1e-9)


def test_a_flow_that_is_given_does_not_respond() -> None:
    effects = {"retention": {"price": effect(0.2)}, "acquisition": {"price": effect(0.2)}}
    held = {"retention_rate": np.full(MONTHS, 0.9)}
    both = held | {"new_members_monthly": np.full(MONTHS, 20.0)}
    free, one, none = (deviation(effects, {"price": 0.1}, levers) for levers in ({}, held, both))
    assert (one < free).all()
    assert (one > 0).all()
    np.testing.assert_array_equal(none, 0.0)


def test_a_flow_that_is_given_later_responds_until_then() -> None:
    path = {"retention_rate": np.where(np.arange(MONTHS) >= 4, 0.9, np.nan)}
    later, free = (deviation({"retention": {"price": effect(0.2)}}, {"price": 0.1}, x) for x in (path, {}))
    np.testing.assert_allclose(later[:4], free[:4])
    assert (np.diff(later[3:]) < 0).all()


@given(st.floats(0.1, 10), st.floats(0.01, 0.5))
@settings(max_examples=20, deadline=None)
def test_it_scales_with_money_and_with_the_standard_error(money: float, error: float) -> None:
    change = {"price": np.linspace(0, 0.2, MONTHS)}
    found, of_one = (
        deviation({"retention": {"price": effect(one)}}, change, revenue=revenue)
        for one, revenue in ((error, money * 1e4), (0.1, 1e4))
    )
    np.testing.assert_allclose(found, money * error / 0.1 * of_one)


def test_independent_responses_add_in_quadrature() -> None:
    change = {"price": 0.1, "overwork": 0.05}
    single = [deviation({"retention": {name: effect(0.3)}}, change) for name in change]
    both = deviation({"retention": dict.fromkeys(change, effect(0.3))}, change)
    np.testing.assert_allclose(both, np.hypot(*single))


@pytest.mark.parametrize("error", [float("nan"), 0.0])
def test_a_response_without_a_standard_error_leaves_nothing_open(error: float) -> None:
    np.testing.assert_array_equal(deviation({"retention": {"price": effect(error)}}, {"price": 1.0}), 0.0)


def test_where_the_data_show_no_retention_the_usual_one_stands_in() -> None:
    effects = {"retention": {"price": effect(1.0)}}
    found, usual = (deviation(effects, {"price": 1.0}, retention=rate) for rate in (np.nan, 0.93))
    np.testing.assert_array_equal(found, usual)
    assert (found > 0).all()


changes_of = partial(regressor_changes, comfort=Comfort(), workload=0.0)


def test_changes_are_from_where_levers_would_be() -> None:
    price = np.where(np.arange(MONTHS) >= 3, 120.0, np.nan)
    found = changes_of({"avg_ticket_price": price, "class_attendance_rate": np.full(MONTHS, 0.6)}, usual)
    np.testing.assert_allclose(found["price"], np.where(np.arange(MONTHS) >= 3, np.log(1.2), 0.0))
    # 200 members' five visits fill half of 100 classes' 20 places.
    np.testing.assert_allclose(found["fullness"], 0.1)


def test_more_classes_empty_each_of_them_and_an_attendance_given_too_rules() -> None:
    classes = np.where(np.arange(MONTHS) >= 2, 50.0, np.nan)
    found = changes_of({"total_classes_held": classes}, usual)
    # 200 members' five visits fill all of 50 classes' 20 places.
    np.testing.assert_allclose(found["fullness"], np.where(np.arange(MONTHS) >= 2, 0.5, 0.0))
    np.testing.assert_allclose(found["crowding"], np.where(np.arange(MONTHS) >= 2, 0.2, 0.0))
    many = changes_of({"total_classes_held": np.full(MONTHS, 200.0)}, usual)
    np.testing.assert_allclose(many["fullness"], -0.25)
    np.testing.assert_allclose(many["crowding"], 0.0)
    both = {"total_classes_held": classes, "class_attendance_rate": np.full(MONTHS, 0.6)}
    np.testing.assert_allclose(changes_of(both, usual)["fullness"], 0.1)
    none = changes_of({"total_classes_held": np.zeros(MONTHS)}, usual)
    np.testing.assert_allclose(none["fullness"], 0.5)


def test_levers_as_they_would_be_change_nothing() -> None:
    levers = {name: np.full(MONTHS, usual(name)) for name in ("avg_ticket_price", "staff_utilization_rate")}
    levers["class_attendance_rate"] = np.full(MONTHS, 0.5)
    levers["total_classes_held"] = np.full(MONTHS, 100.0)
    for change in changes_of(levers, usual).values():
        np.testing.assert_allclose(change, 0.0, atol=1e-12)


def test_a_level_that_nobody_knows_changes_nothing() -> None:
    names = ("staff_utilization_rate", "class_attendance_rate", "total_classes_held")
    levers = {name: np.full(MONTHS, 0.9) for name in names}
    for change in changes_of(levers, lambda _: float("nan")).values():
        np.testing.assert_array_equal(change, 0.0)
