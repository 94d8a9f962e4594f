"""Which warnings an answer carries: a truth table by concern."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverEffect, LeverStep
from studio_pipeline.forecasting.forecaster.warnings import KnownOfStudio, warnings_of

USUAL = {
    "retention_rate": 0.92,
    "avg_ticket_price": 100.0,
    "total_classes_held": 100.0,
    "staff_utilization_rate": 0.8,
    "current_member_count": 200.0,
    "new_members_monthly": 16.0,
    "visits": 6.0,
    "class_capacity": 20.0,
}
SHOWN = {
    "retention_rate": (0.85, 0.96),
    "avg_ticket_price": (50.0, 250.0),
    "class_attendance_rate": (0.4, 0.95),
    "new_members_monthly": (8.0, 24.0),
    "staff_utilization_rate": (0.6, 1.0),
    "total_classes_held": (50.0, 400.0),
    "upsell_rate": (0.1, 0.4),
    "current_member_count": (100.0, 300.0),
}
MEASURED = LeverEffect(-1.0, 0.1, studio_share=0.7, others_share=0.2)
EFFECTS = {
    flow: {"price": MEASURED, "fullness": MEASURED, "crowding": MEASURED, "overwork": MEASURED}
    for flow in ("retention", "acquisition")
}
KNOWN = KnownOfStudio(48, SHOWN, EFFECTS, USUAL.__getitem__)


def warned(levers: Mapping[str, float], known: KnownOfStudio = KNOWN) -> tuple[str, ...]:
    return warnings_of(ForwardQuery("a", projection_months=12, levers=levers), known)


@pytest.mark.parametrize(
    ("months", "expected"),
    [(0, "no history"), (1, "Only 1 month of"), (11, "Only 11 months"), (12, None), (48, None)],
)
def test_short_history(months: int, expected: str | None) -> None:
    found = warned({}, KNOWN._replace(history_months=months))
    assert len(found) == (expected is not None)
    assert expected is None or expected in found[0]


@pytest.mark.parametrize(
    ("lever", "value", "outside"),
    [
        ("avg_ticket_price", 250.0, False),
        ("avg_ticket_price", 262.0, False),
        ("avg_ticket_price", 263.0, True),
        ("avg_ticket_price", 37.0, True),
        ("new_members_monthly", 26.0, True),
        ("upsell_rate", 0.41, False),
        ("upsell_rate", 0.45, True),
        ("retention_rate", 0.97, False),
        ("retention_rate", 0.975, True),
        ("retention_rate", 1.0, True),
    ],
)
def test_outside_of_what_the_data_have_seen(lever: str, value: float, outside: bool) -> None:
    assert any(lever in w and "outside" in w for w in warned({lever: value})) is outside


CONSISTENT: list[dict[str, float]] = [
    {},
    {"retention_rate": 0.93, "new_members_monthly": 20.0, "current_member_count": 210.0},
    {"class_attendance_rate": 0.6, "total_classes_held": 100.0},
    {"class_attendance_rate": 0.8, "total_classes_held": 110.0},
    {"class_attendance_rate": 0.95},
    {"total_classes_held": 140.0, "staff_utilization_rate": 0.8},
    {"total_classes_held": 180.0, "staff_utilization_rate": 1.0, "current_member_count": 300.0},
    {"avg_ticket_price": 110.0, "retention_rate": 0.92},
    {"avg_ticket_price": 90.0, "retention_rate": 0.96},
    {"avg_ticket_price": 200.0, "retention_rate": 0.85},
    {"avg_ticket_price": 200.0, "new_members_monthly": 24.0},
    {"avg_ticket_price": 140.0, "new_members_monthly": 25.0},
]
CONTRADICTING: list[tuple[dict[str, float], str]] = [
    ({"class_attendance_rate": 0.9, "total_classes_held": 150.0}, "visits a member"),
    ({"class_attendance_rate": 0.9, "current_member_count": 100.0}, "visits a member"),
    ({"total_classes_held": 200.0, "staff_utilization_rate": 0.8}, "paid hours"),
    ({"total_classes_held": 50.0, "staff_utilization_rate": 0.8}, "paid hours"),
    ({"avg_ticket_price": 150.0, "retention_rate": 0.95}, "stay at a rate of about 0.885"),
    ({"avg_ticket_price": 200.0, "new_members_monthly": 25.0}, "more than ever"),
]


@pytest.mark.parametrize("levers", CONSISTENT, ids=lambda c: "+".join(c) or "none")
def test_levers_that_fit_together_are_not_warned_of(levers: dict[str, float]) -> None:
    assert warned(levers) == ()


@pytest.mark.parametrize(("levers", "says"), CONTRADICTING, ids=lambda c: "+".join(c) if c else "")
def test_levers_that_contradict_each_other_are_named(levers: dict[str, float], says: str) -> None:
    (warning,) = warned(levers)
    assert says in warning
    assert any(lever in warning for lever in levers)
    for lever, value in levers.items():
        assert not any(says in w for w in warned({lever: value}))


def test_a_retention_within_two_standard_errors_is_believed() -> None:
    levers = {"avg_ticket_price": 150.0, "retention_rate": 0.93}
    assert len(warned(levers)) == 1
    vague = {"retention": {**EFFECTS["retention"], "price": replace(MEASURED, standard_error=1.0)}}
    assert warned(levers, KNOWN._replace(effects=EFFECTS | vague)) == ()


def test_what_is_unknown_contradicts_nothing() -> None:
    blank = KNOWN._replace(usual=lambda name: float("nan"))
    for levers, _ in CONTRADICTING:
        assert warned(levers, blank) == ()


@pytest.mark.parametrize("lever", ["avg_ticket_price", "class_attendance_rate", "staff_utilization_rate"])
@pytest.mark.parametrize(
    ("source", "shares"),
    [
        ("data", (0.5, 0.4)),
        ("pooled", (0.1, 0.5)),
        ("prior", (0.1, 0.4)),
        ("prior", (0.0, 0.0)),
        (None, None),
    ],
)
def test_an_effect_that_rests_on_a_prior_is_said_so_by_lever(
    lever: str, source: str | None, shares: tuple[float, float] | None
) -> None:
    names = EFFECTS["retention"]
    found = {n: LeverEffect(0.0, 2.0, *shares) for n in names} if shares else {}
    assert all(effect.source == source for effect in found.values())
    effects = {"retention": found, "acquisition": found}
    warnings = warned({lever: 0.8 if lever != "avg_ticket_price" else 110.0}, KNOWN._replace(effects=effects))
    assert bool(warnings) is (source in ("prior", None))
    assert all(lever in w and "don't show" in w for w in warnings)


def test_an_assumed_effect_that_counts_is_called_an_assumption() -> None:
    assumed = {flow: {"price": LeverEffect(-0.7, 1.0)} for flow in EFFECTS}
    (warning,) = warned({"avg_ticket_price": 110.0}, KNOWN._replace(effects=assumed))
    assert "assumption" in warning


def test_a_plan_is_judged_stage_by_stage() -> None:
    steps = (LeverStep(6, {"retention_rate": 0.95}), LeverStep(3, {"avg_ticket_price": 150.0}))
    query = ForwardQuery("a", projection_months=12, lever_plan=steps)
    (warning,) = warnings_of(query, KNOWN)
    assert warning.startswith("From month 6 on: At avg_ticket_price 150")
    later = replace(query, lever_plan=(*steps, LeverStep(9, {"upsell_rate": 0.2})))
    assert warnings_of(later, KNOWN) == (warning,)
    undone = replace(query, lever_plan=(steps[1], LeverStep(6, {"avg_ticket_price": 100.0})))
    assert warnings_of(undone, KNOWN) == ()


@pytest.mark.parametrize(
    ("months", "from_month", "lever", "late"),
    [
        (12, 12, "avg_ticket_price", True),
        (12, 11, "avg_ticket_price", False),
        (3, 3, "avg_ticket_price", True),
        (12, 12, "upsell_rate", False),
        (1, 1, "avg_ticket_price", False),
    ],
)
def test_a_step_too_late_to_show_is_said_so(months: int, from_month: int, lever: str, late: bool) -> None:
    value = 110.0 if lever == "avg_ticket_price" else 0.2
    query = ForwardQuery("a", projection_months=months, lever_plan=(LeverStep(from_month, {lever: value}),))
    found = warnings_of(query, KNOWN)
    assert [f"comes in month {from_month}, the last" in w for w in found] == [True] * late


def test_every_warning_is_a_sentence() -> None:
    for levers, _ in CONTRADICTING:
        for warning in warned(levers, KNOWN._replace(history_months=3, effects={})):
            assert warning[0].isupper() or warning.split()[0] in SHOWN
            assert warning.endswith(".")
