"""States reckoned again for some studios are those of the whole panel, to the last bit."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.backtest.baselines import smoothing_at
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.core import states as studio_states
from studio_pipeline.forecasting.core.states import CoreStates, StudioStates, core_states
from studio_pipeline.forecasting.forecaster import state_builder as typical_months
from studio_pipeline.forecasting.forecaster.origin_state import OriginStates
from studio_pipeline.forecasting.forecaster.state_builder import StateBuilder
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.forecasting.fleets import small_fleet

OF_STUDIOS = ("level", "deviation", "drift", "own_season", "amplitude", "surprise")
N_STUDIOS, N_MONTHS = 24, 40


@pytest.fixture(scope="module")
def whole() -> CoreStates:
    return core_states(small_fleet().panel, small_fleet().core.parameters)


@pytest.fixture(scope="module")
def again() -> StudioStates:
    return StudioStates(small_fleet().core.parameters, small_fleet().panel)


def parts(states: CoreStates, rows: list[int], n_months: int) -> dict[str, FloatArray]:
    found = {"capacity": states.class_capacity, "planned": states.planned_classes}
    for flow, levels in states.flows.items():
        found |= {f"{flow}.{name}": getattr(levels, name)[0] for name in OF_STUDIOS}
    cut = {name: array[rows, :n_months] for name, array in found.items()}
    for flow, levels in states.flows.items():
        cut |= {f"{flow}.{name}": getattr(levels, name)[0, :n_months] for name in ("common", "common_drift")}
    smoothed = smoothing_at(states, Origins(np.array(rows), np.full(len(rows), n_months - 1)))
    return cut | {f"{flow} smoothed": forecast for flow, forecast in smoothed.items()}


@given(
    rows=st.sets(st.integers(0, N_STUDIOS - 1), min_size=1).map(sorted), column=st.integers(0, N_MONTHS - 1)
)
@settings(max_examples=40, deadline=None)
def test_some_studios_up_to_some_month(
    whole: CoreStates, again: StudioStates, rows: list[int], column: int
) -> None:
    some = again.of(np.array(rows), column)
    expected = parts(whole, rows, column + 1)
    for name, array in parts(some, list(range(len(rows))), column + 1).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def arrays_of(prepared: OriginStates) -> dict[str, FloatArray]:
    of_terms = {name: getattr(prepared.terms, name) for name in ("stacked", "start", "slopes")}
    names = [f.name for f in fields(prepared) if f.name != "terms"]
    return of_terms | {name: getattr(prepared, name) for name in names}


def test_origins_are_prepared_alike_however_many_studios_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = small_fleet().panel
    rows, columns = np.nonzero(panel.known[:, 5:])
    order = np.random.default_rng(3).permutation(len(rows))[:150]
    origins = Origins(rows[order], columns[order] + 5)
    at_once = StateBuilder(small_fleet().model_of_all, panel).prepare(origins)
    monkeypatch.setattr(studio_states, "_STUDIOS_AT_ONCE", 5)
    monkeypatch.setattr(typical_months, "_MONTHS_AT_ONCE", 3)
    few = StateBuilder(small_fleet().model_of_all, panel).prepare(origins)
    for name, array in arrays_of(few).items():
        np.testing.assert_allclose(array, arrays_of(at_once)[name], rtol=1e-12, err_msg=name)
    np.testing.assert_array_equal(few.rows, origins.rows)
    np.testing.assert_array_equal(few.columns, origins.columns)
