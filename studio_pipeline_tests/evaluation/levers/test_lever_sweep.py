"""A sweep is what the forecaster answers of a typical studio; levers that work the wrong way are found."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.evaluation.levers.lever_sweep import (
    POINTS,
    present_levers,
    shown_ranges,
    sweep_levers,
    sweep_values,
    typical_studio,
)
from studio_pipeline.evaluation.levers.lever_text import WINNING_LEVERS, sign_findings
from studio_pipeline.evaluation.metrics.schemas import SWEEP
from studio_pipeline.evaluation.report.response_tables import RESPONSE_COLUMNS, lever_responses, sign_rule
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, lever_bounds
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverEffect
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import (
    CLASSES,
    answered,
    generated_panel,
    only_columns,
    ragged,
    small_fleet,
    with_values,
    without_columns,
    without_months,
)


def three_studios(revenues: list[float], members: list[float]) -> StudioPanel:
    panel = generated_panel().until(13).select(slice(0, len(revenues)))
    changed = {"total_revenue": revenues, "total_members": members}
    return with_values(panel, {n: np.tile(np.array(v)[:, None], (1, 14)) for n, v in changed.items()})


def test_the_typical_studio_is_nearest_to_the_median() -> None:
    assert typical_studio(three_studios([10.0, 100.0, 1000.0], [5.0, 50.0, 500.0])) == 1
    assert typical_studio(three_studios([100.0, 10.0, 1000.0], [50.0, 5.0, 500.0])) == 0
    # A studio without members is no typical one where others tell theirs.
    assert typical_studio(three_studios([90.0, 100.0, 110.0], [50.0, np.nan, 55.0])) != 1
    assert typical_studio(three_studios([10.0, 100.0, 1000.0], [np.nan] * 3)) == 1
    # Nor is one that has closed.
    panel = three_studios([10.0, 100.0, 1000.0], [5.0, 50.0, 500.0])
    assert typical_studio(without_months(panel, 1, [13])) != 1


def test_order_and_names_play_no_part() -> None:
    panel = ragged(generated_panel())
    order = np.random.default_rng(3).permutation(panel.n_studios)
    shuffled = panel.select(order)
    renamed = replace(shuffled, studio_ids=panel.studio_ids)
    assert order[typical_studio(renamed)] == typical_studio(panel)


def test_present_levers_are_means_of_the_last_three_months_and_the_stock_as_it_stands() -> None:
    panel = ragged(generated_panel())
    now = present_levers(panel)
    assert list(now) == list(LEVER_BOUNDS)
    for row in (0, 3):
        until = panel.last_months[row] + 1
        recent = slice(until - 3, until)
        assert now["avg_ticket_price"][row] == pytest.approx(
            panel.values["avg_ticket_price"][row, recent].mean()
        )
        assert now["new_members_monthly"][row] == pytest.approx(
            panel.values["new_members"][row, recent].mean()
        )
        assert now["current_member_count"][row] == panel.values["total_members"][row, until - 1]
    assert np.isnan(now["total_classes_held"][4])
    assert panel.last_months[3] < panel.last_months[0]


@given(
    lever=st.sampled_from(["avg_ticket_price", "retention_rate", "new_members_monthly"]),
    ends=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    place=st.floats(0, 1),
)
def test_values_span_the_shown_range_within_the_bounds(lever, ends, place) -> None:
    size = 1.0 if lever == "retention_rate" else 300.0
    shown = (size * min(ends), size * max(ends))
    present = shown[0] + place * (shown[1] - shown[0])
    values = sweep_values(lever, shown, present)
    low, high = lever_bounds(lever, *shown)
    assert values == sorted(set(values))
    assert low <= values[0] <= shown[0]
    assert shown[1] <= values[-1] <= high
    assert present in values
    assert POINTS <= len(values) <= POINTS + 1


def test_a_sweep_is_what_the_forecaster_answers() -> None:
    fleet = small_fleet()
    forecaster = Forecaster(fleet.model, fleet.panel)
    sweep = sweep_levers(forecaster)
    SWEEP.validate(sweep, lazy=True)
    studio = str(fleet.panel.studio_ids[typical_studio(fleet.panel)])
    assert set(sweep["studio_id"]) == {studio}
    assert set(sweep["lever"]) == set(LEVER_BOUNDS)
    assert (sweep.groupby("lever")["is_present"].sum() == 1).all()
    chosen = sweep.iloc[[3, 60, 120]]
    queries = [
        ForwardQuery(studio, projection_months=12, levers={row["lever"]: row["value"]})
        for row in chosen.to_dict("records")
    ]
    for row, answer in zip(chosen.to_dict("records"), answered(forecaster, queries), strict=True):
        assert row["revenue"] == pytest.approx(answer.revenue.sum())
        assert (row["lower_90"], row["upper_90"]) == pytest.approx(answer.total_intervals[0.9])
    (free,) = answered(forecaster, [ForwardQuery(studio, projection_months=12)])
    assert sweep["free_revenue"].to_numpy() == pytest.approx(np.full(len(sweep), free.revenue.sum()))
    price = sweep[sweep["lever"] == "avg_ticket_price"]
    assert shown_ranges(fleet.panel, typical_studio(fleet.panel))["avg_ticket_price"] == (
        price["shown_low"].iloc[0],
        price["shown_high"].iloc[0],
    )
    assert sweep[sweep["lever"] == "retention_rate"]["revenue"].is_monotonic_increasing


def test_levers_that_the_data_do_not_carry_are_left_out() -> None:
    fleet = small_fleet()
    panel = without_columns(fleet.panel, CLASSES)
    sweep = sweep_levers(Forecaster(fleet.model, panel))
    assert set(LEVER_BOUNDS) - set(sweep["lever"]) == {"total_classes_held", "class_attendance_rate"}
    assert sweep_levers(Forecaster(fleet.model, only_columns(panel, ["total_revenue"]))).empty


NO_RESPONSES = pd.DataFrame(columns=list(RESPONSE_COLUMNS)).astype({"sign_rule": str})


def swept(lever: str, *revenue: float) -> pd.DataFrame:
    rows = [
        ("s1", lever, float(at), at == 1, 0.0, 2.0, value, 0.0, 0.0, 1000.0)
        for at, value in enumerate(revenue)
    ]
    return pd.DataFrame(rows, columns=list(SWEEP.columns))


def test_a_lever_that_can_only_win_must_not_lose() -> None:
    for lever in WINNING_LEVERS:
        assert sign_findings(NO_RESPONSES, swept(lever, 900, 1000, 1100), 0.01) == ()
        assert sign_findings(NO_RESPONSES, swept(lever, 1000, 999, 995), 0.01) == ()
        (finding,) = sign_findings(NO_RESPONSES, swept(lever, 1000, 990, 980), 0.01)
        assert "would cost 2.0 % of a year's revenue" in finding


def test_levers_that_may_go_either_way_and_values_beyond_what_was_shown_are_no_findings() -> None:
    assert sign_findings(NO_RESPONSES, swept("avg_ticket_price", 1000, 900, 800), 0.01) == ()
    assert sign_findings(NO_RESPONSES, swept("retention_rate", 900, 1000, 1100, 10), 0.01) == ()
    assert sign_findings(NO_RESPONSES, swept("retention_rate", 900).iloc[:0], 0.01) == ()


def test_a_response_against_its_rule_is_a_finding() -> None:
    wrong = LeverEffect(0.4, 0.1)
    rule = sign_rule("price", wrong)
    table = pd.DataFrame([{"flow": "retention", "responds_to": "price", "sign_rule": rule}])
    assert sign_findings(table, swept("retention_rate", 1, 2), 0.01) == (
        "the response of retention to price is positive, against the rule",
    )


def test_a_fitted_fleet_has_no_findings() -> None:
    fleet = small_fleet()
    responses = lever_responses(fleet.core.parameters.responses, fleet.panel)
    assert len(responses) > 0
    assert sign_findings(responses, swept("retention_rate", 1, 2), 0.01) == ()
