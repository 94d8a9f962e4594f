"""Nothing after the base month is in an answer.

That nothing after a fold's cutoff is in its scores is asked in `evaluation/metrics/test_backtest.py`.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.core.states import CoreStates, core_states
from studio_pipeline.forecasting.features.feature_function import features_at
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline_tests.forecasting.fleets import (
    Fitted,
    answered,
    assert_same,
    figures_of,
    months_changed,
    small_fleet,
    without_months,
)

ORIGIN = 26
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
    return [features, states, said, *(part for a in answers for part in figures_of(a))]


@pytest.fixture(scope="module")
def usual(fleet: Fitted) -> list[FloatArray]:
    return known_at_origin(fleet, fleet.panel)


def all_equal(a: list[FloatArray], b: list[FloatArray]) -> bool:
    pairs = list(zip(a, b, strict=True))
    return all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs)


@pytest.mark.parametrize("name", ["total_revenue", "total_members", "avg_ticket_price", "new_members"])
def test_a_change_at_or_before_the_origin_shows(fleet: Fitted, usual: list[FloatArray], name: str) -> None:
    for columns in (slice(ORIGIN, ORIGIN + 1), slice(ORIGIN - 3, ORIGIN)):
        changed = known_at_origin(fleet, months_changed(fleet.panel, name, columns, 1.3))
        assert not np.array_equal(usual[0], changed[0])
        assert not np.array_equal(usual[1], changed[1], equal_nan=True)
        assert not all_equal(usual[2:], changed[2:])


def with_another_future(panel: StudioPanel) -> StudioPanel:
    """Every figure after the origin times a factor of its own."""
    rng, values = np.random.default_rng(1), {name: array.copy() for name, array in panel.values.items()}
    for array in values.values():
        array[:, ORIGIN + 1 :] *= rng.uniform(0.3, 3.0, array[:, ORIGIN + 1 :].shape)
    return replace(panel, values=values)


AFTER = range(ORIGIN + 1, small_fleet().panel.n_months)
FUTURES: dict[str, Callable[[StudioPanel], StudioPanel]] = {
    "another": with_another_future,
    "unknown": lambda panel: without_months(panel, slice(None), AFTER),
    "unknown of other studios": lambda panel: without_months(panel, slice(10, None), AFTER),
    "not there": lambda panel: panel.until(ORIGIN),
}


@pytest.mark.parametrize("future", FUTURES)
def test_nothing_after_the_origin_is_read(fleet: Fitted, usual: list[FloatArray], future: str) -> None:
    assert all_equal(usual, known_at_origin(fleet, FUTURES[future](fleet.panel)))


def test_a_later_base_month_in_the_same_batch_is_no_news(fleet: Fitted) -> None:
    """Base months that are not at hand yet are prepared together."""
    panel, asked = fleet.panel, queries(fleet.panel)
    later = [replace(query, base_month=panel.months[-6]) for query in asked[:-2]]
    alone, together = (
        answered(Forecaster(fleet.model_of_all, panel), [*asked, *others])[: len(asked)]
        for others in ([], later)
    )
    for one, other in zip(alone, together, strict=True):
        assert one.warnings == other.warnings
        assert_same(one, other)
