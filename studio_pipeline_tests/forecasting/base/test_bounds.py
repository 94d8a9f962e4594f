import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, check_lever_plan, check_levers, lever_bounds
from studio_pipeline.forecasting.base.queries import LeverStep
from studio_pipeline.panel.columns import LEVER_COLUMNS

CONTRACT = {
    "retention_rate": (0.5, 1),
    "avg_ticket_price": (50, 500),
    "class_attendance_rate": (0.4, 1),
    "new_members_monthly": (0, 100),
    "staff_utilization_rate": (0.6, 1),
    "upsell_rate": (0, 0.5),
    "total_classes_held": (50, 500),
    "current_member_count": (50, 10_000_000),
}
RATES = ["retention_rate", "class_attendance_rate", "staff_utilization_rate", "upsell_rate"]


def test_the_static_table_is_the_contract_s() -> None:
    assert {lever: lever_bounds(lever) for lever in LEVER_BOUNDS} == CONTRACT
    assert list(LEVER_BOUNDS) == list(LEVER_COLUMNS)


@pytest.mark.parametrize(
    ("lever", "shown", "bounds"),
    [
        ("avg_ticket_price", (9_000.0, 12_000.0), (50, 24_000)),
        ("avg_ticket_price", (8.0, 12.0), (4, 500)),
        ("avg_ticket_price", (150.0, 260.0), (50, 520)),
        ("retention_rate", (0.3, 0.8), (0.15, 1)),
        ("upsell_rate", (0.2, 0.7), (0, 1)),
        ("current_member_count", (20.0, 60.0), (10, 10_000_000)),
        ("current_member_count", (100.0, 8_000_000.0), (50, 16_000_000)),
        ("new_members_monthly", (math.nan, math.nan), (0, 100)),
    ],
)
def test_what_was_shown_widens_to_half_and_twice(
    lever: str, shown: tuple[float, float], bounds: object
) -> None:
    assert lever_bounds(lever, *shown) == bounds


@given(lever=st.sampled_from(list(LEVER_BOUNDS)), present=st.floats(0, 1e9))
def test_a_studio_s_present_is_always_accepted(lever: str, present: float) -> None:
    value = min(present, 1.0) if lever in RATES else present
    check_levers({lever: value}, {lever: (value, value)})


@given(lever=st.sampled_from(RATES), low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_rate_never_leaves_0_to_1(lever: str, low: float, high: float) -> None:
    bounds = lever_bounds(lever, min(low, high), max(low, high))
    assert 0 <= bounds[0] <= bounds[1] <= 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_refused(value: float) -> None:
    with pytest.raises(LeverError, match="not a finite number"):
        check_levers({"current_member_count": value})


def test_every_wrong_lever_is_named_with_its_bounds() -> None:
    with pytest.raises(
        LeverError,
        match=r"retention_rate is 0\.4, .* from 0\.5 to 1; current_member_count is 3, .* from 50 to 10000000",
    ):
        check_levers({"retention_rate": 0.4, "upsell_rate": 0.2, "current_member_count": 3})


@pytest.mark.parametrize("value", [10_000_001.0, 1e308])
def test_a_start_beyond_any_studio_is_refused(value: float) -> None:
    check_levers({"current_member_count": 10_000_000.0})
    with pytest.raises(LeverError, match="current_member_count is"):
        check_levers({"current_member_count": value})


def test_an_unknown_lever_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LeverError, match=r"no lever 'price'.*avg_ticket_price"):
        check_levers({"price": 3})


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (LeverStep(4, {"upsell_rate": 0.1}), r"lever_plan\[1\]: from_month 4 .* months 1 to 3"),
        (LeverStep(0, {"upsell_rate": 0.1}), "from_month 0"),
        (LeverStep(2, {"current_member_count": 300}), "where the projection starts"),
        (LeverStep(3, {"upsell_rate": 0.1}), r"lever_plan\[1\]: from_month 3 is that of lever_plan\[0\]"),
        (LeverStep(2, {"upsell_rate": 0.9}), r"lever_plan\[1\]: upsell_rate is 0\.9"),
    ],
)
def test_a_wrong_step_of_a_plan_is_named(step: LeverStep, message: str) -> None:
    right = LeverStep(3, {"avg_ticket_price": 159.0})
    check_lever_plan([right], 3)
    with pytest.raises(LeverError, match=message):
        check_lever_plan([right, step], 3)
