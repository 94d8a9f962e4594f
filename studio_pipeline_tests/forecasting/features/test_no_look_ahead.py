"""Nothing after the base month is in an answer, and nothing after a fold's cutoff in what it rests on."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery, LeverStep
from studio_pipeline.forecasting.core.states import CoreStates, core_states
from studio_pipeline.forecasting.ensemble.weights import candidate_stack
from studio_pipeline.forecasting.features.feature_function import features_at
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.forecaster.state_builder import StateBuilder
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline_tests.forecasting.fleets import (
    Fitted,
    answered,
    fit_all,
    months_changed,
    small_fleet,
    with_values,
)

ORIGIN = 26
NUMBER = 1
LEVERS = {"avg_ticket_price": 260.0, "new_members_monthly": 90.0}
"""Outside what has been shown, so that warnings say what has been."""


def queries(panel: StudioPanel) -> list[ForwardQuery]:
    known = np.flatnonzero(panel.known[:, ORIGIN])
    month = panel.months[ORIGIN]
    free = [ForwardQuery(str(panel.studio_ids[r]), month, 12) for r in known]
    given = replace(free[0], levers=LEVERS, compare_to_status_quo=True)
    planned = replace(given, levers={}, lever_plan=(LeverStep(3, LEVERS),))
    return [*free, given, planned]


def core_state_at(states: CoreStates, column: int) -> FloatArray:
    parts = [states.class_capacity[:, : column + 1]]
    for flow in states.flows.values():
        parts += [a[0, :, : column + 1] for a in (flow.level, flow.deviation, flow.drift, flow.own_season)]
        parts += [flow.surprise[0, :, : column + 1], flow.common[:, : column + 1]]
    return np.concatenate(parts)


def known_at_origin(fleet: Fitted, panel: StudioPanel) -> list[FloatArray]:
    """Features, core states and answers for the origin."""
    rows = np.arange(panel.n_studios)
    features = features_at(panel, rows, np.full(len(rows), ORIGIN))
    states = core_state_at(core_states(panel, fleet.core.parameters), ORIGIN)
    answers = answered(Forecaster(fleet.model_of_all, panel), queries(panel))
    said = np.array([sentence for a in answers for sentence in a.warnings])
    assert any("lies outside" in sentence for sentence in said)
    return [features, states, said, *(part for a in answers for part in numbers_of(a))]


def numbers_of(answer: Forecast) -> list[FloatArray]:
    totals = [np.array(bounds) for bounds in answer.total_intervals.values()]
    more = np.array([answer.history_months, answer.prediction_accuracy], dtype=float)
    numbers = [answer.revenue, answer.member_count, answer.retention_rate, answer.confidence_score, more]
    quo = answer.status_quo
    difference = [quo.total_projected_revenue, quo.difference, *quo.difference_interval] if quo else []
    return [*numbers, *answer.intervals.values(), *totals, np.array(difference)]


def same(a: FloatArray, b: FloatArray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def all_equal(a: list[FloatArray], b: list[FloatArray]) -> bool:
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", ["total_revenue", "total_members", "avg_ticket_price", "new_members"])
def test_a_change_at_or_before_the_origin_shows(fleet: Fitted, name: str) -> None:
    usual = known_at_origin(fleet, fleet.panel)
    for columns in (slice(ORIGIN, ORIGIN + 1), slice(ORIGIN - 3, ORIGIN)):
        changed = known_at_origin(fleet, months_changed(fleet.panel, name, columns, 1.3))
        assert not np.array_equal(usual[0], changed[0])
        assert not np.array_equal(usual[1], changed[1], equal_nan=True)
        assert not all_equal(usual[2:], changed[2:])


@pytest.mark.parametrize("name", NUMERIC_COLUMNS)
def test_no_column_after_the_origin_is_read(fleet: Fitted, name: str) -> None:
    usual = known_at_origin(fleet, fleet.panel)
    after = slice(ORIGIN + 1, None)
    assert all_equal(usual, known_at_origin(fleet, months_changed(fleet.panel, name, after, 3.0)))
    unknown = fleet.panel.values[name].copy()
    unknown[:, after] = np.nan
    assert all_equal(usual, known_at_origin(fleet, with_values(fleet.panel, {name: unknown})))


def test_the_months_after_the_origin_need_not_be_there(fleet: Fitted) -> None:
    assert all_equal(known_at_origin(fleet, fleet.panel), known_at_origin(fleet, fleet.panel.until(ORIGIN)))


def test_another_studio_s_future_is_no_news_either(fleet: Fitted) -> None:
    values = {name: array.copy() for name, array in fleet.panel.values.items()}
    for array in values.values():
        array[10:, ORIGIN + 1 :] = np.nan
    assert all_equal(
        known_at_origin(fleet, fleet.panel), known_at_origin(fleet, replace(fleet.panel, values=values))
    )


@pytest.fixture(scope="module")
def usual() -> Fitted:
    return fit_all(small_fleet().panel.until(26), learners=("lightgbm",))


def scored(fitted: Fitted) -> list[FloatArray]:
    """Fold parameters, weights and forecasts from origins up to the fold's cutoff."""
    cutoff = fitted.core.folds[NUMBER].cutoff
    oof = fitted.core.out_of_fold
    here = (oof.fold <= NUMBER) & (oof.origins.columns <= cutoff)
    parameters = fitted.core.fold_parameters[: NUMBER + 1]
    flows = [np.array(list(asdict(f.settings).values())) for p in parameters for f in p.flows.values()]
    tables = [x for p in parameters for f in p.flows.values() for x in (f.season, f.type_mean)]
    responses = [
        np.array([e.effect, e.standard_error])
        for p in parameters
        for effects in p.responses.effects.values()
        for e in effects.values()
    ]
    weights = [fitted.weights.matrix(t, n) for t in ("revenue", "members") for n in range(NUMBER + 1)]
    stacks = [
        candidate_stack(fitted.core, fitted.fits, t)[:, here] for t in ("revenue", "members", "retention")
    ]
    return [*flows, *tables, *responses, *weights, *stacks]


def refitted(usual: Fitted, first_changed: int) -> Fitted:
    panel = usual.panel
    for name in NUMERIC_COLUMNS:
        panel = months_changed(panel, name, slice(first_changed, None), 0.5)
    return fit_all(panel, learners=("lightgbm",))


def test_months_after_the_cutoff_change_nothing_a_fold_rests_on(usual: Fitted) -> None:
    cutoff = usual.core.folds[NUMBER].cutoff
    here = usual.core.out_of_fold.origins.columns == cutoff
    assert (here & (usual.core.out_of_fold.fold == NUMBER)).any()
    assert all_equal(scored(usual), scored(refitted(usual, cutoff + 1)))


def test_a_change_at_the_cutoff_shows(usual: Fitted) -> None:
    cutoff = usual.core.folds[NUMBER].cutoff
    assert not all_equal(scored(usual), scored(refitted(usual, cutoff)))


def test_state_builder_and_forecaster_agree_on_past_origins(fleet: Fitted) -> None:
    rows = np.flatnonzero(fleet.panel.known[:, ORIGIN])
    origins = Origins(rows, np.full(len(rows), ORIGIN))
    prepared = StateBuilder(fleet.model_of_all, fleet.panel).prepare(origins)
    free = answered(Forecaster(fleet.model_of_all, fleet.panel), queries(fleet.panel)[: len(rows)])
    np.testing.assert_array_equal(prepared.free[:, 0], np.stack([a.revenue for a in free]))
