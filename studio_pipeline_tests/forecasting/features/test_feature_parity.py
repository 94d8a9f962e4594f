"""What a learner is fitted on and what it is asked with are the same rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins, origins_between
from studio_pipeline.forecasting.core.states import core_states
from studio_pipeline.forecasting.features import feature_matrix
from studio_pipeline.forecasting.features.feature_function import FEATURE_NAMES
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES, RowArray, row_features
from studio_pipeline.forecasting.features.feature_store import feature_array, feature_frame
from studio_pipeline.forecasting.features.feature_table import FEATURES
from studio_pipeline.forecasting.forecaster.projection import project_many
from studio_pipeline.forecasting.forecaster.state_builder import StateBuilder
from studio_pipeline.forecasting.learners import onnx_ensemble as onnx_sessions
from studio_pipeline.forecasting.learners import training_set as training_rows
from studio_pipeline.forecasting.learners.training_set import learning_rows
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline_tests.forecasting.fleets import Fitted


@dataclass(frozen=True)
class Trained:
    """The rows that the last fit of every learner draws from, with their origins and given levers."""

    origins: Origins
    levers: Mapping[str, FloatArray]
    rows: RowArray


def trained_rows(fleet: Fitted, free: bool = False) -> Trained:
    """As drawn, or with every lever free."""
    drawn: list[Trained] = []

    def recording(*asked: Any) -> RowArray:
        rows, (*_, origins, _, levers) = row_features(*asked), asked
        drawn.append(Trained(origins, {} if free else levers, rows))
        return rows

    laid_out = feature_array(feature_frame(fleet.panel), fleet.panel)
    states = core_states(fleet.panel, fleet.core.parameters)
    origins = origins_between(fleet.panel, 6, fleet.panel.n_months - 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_matrix, "row_features", recording)
        if free:
            patch.setattr(training_rows, "drawn_masks", lambda n, rng: np.zeros((n, len(HELD_LEVERS)), bool))
        fitted_on = learning_rows(fleet.panel, laid_out, states, origins, 10**6, np.random.default_rng(0))
    (trained,) = drawn
    # What is fitted on are these rows, less those of which nothing is known.
    assert 0 < len(fitted_on.features) <= len(trained.rows)
    assert {r.tobytes() for r in fitted_on.features} <= {r.tobytes() for r in trained.rows}
    return replace(trained, rows=trained.rows.reshape(len(trained.origins), MAX_HORIZON_MONTHS, -1))


@pytest.fixture(scope="module")
def free(fleet: Fitted) -> Trained:
    return trained_rows(fleet, free=True)


def served_rows(
    fleet: Fitted, panel: StudioPanel, origins: Origins, levers: Mapping[str, FloatArray]
) -> FloatArray:
    """The rows that the learners' graph is last asked with when these origins are projected."""
    asked: list[FloatArray] = []

    class Recorder:
        def run(self, outputs: None, inputs: dict[str, FloatArray]) -> list[FloatArray]:
            asked.append(inputs["features"])
            return [np.zeros((len(inputs["features"]), n_outputs), dtype=np.float32)]

    model = fleet.model_of_all
    assert model.graphs is not None
    n_outputs = len(model.graphs.outputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_sessions, "session_of", lambda graph: Recorder())
        builder = StateBuilder(model, panel)
        prepared = builder.prepare(origins)
        if levers:
            project_many(prepared, builder.graphs, levers)
    return asked[-1].reshape(len(origins), MAX_HORIZON_MONTHS, len(ROW_FEATURES))


@pytest.mark.parametrize("is_free", [True, False])
def test_trained_and_served_rows_are_equal(fleet: Fitted, free: Trained, is_free: bool) -> None:
    trained = free if is_free else trained_rows(fleet)
    assert len(trained.origins) > 500
    assert set(trained.origins.rows) == set(range(fleet.panel.n_studios))
    given = [np.isfinite(path).any(1).mean() for path in trained.levers.values()]
    assert is_free or 0.1 < np.mean(given) < 0.9
    served = served_rows(fleet, fleet.panel, trained.origins, trained.levers)
    np.testing.assert_array_equal(served, trained.rows)


@pytest.mark.parametrize("row", [0, 1, 2, 3, 4, 5, 6])
def test_a_row_asked_alone_on_the_months_known_then_is_the_row_trained_with(
    fleet: Fitted, free: Trained, row: int
) -> None:
    of_studio = np.flatnonzero(free.origins.rows == row)
    for place in of_studio[[0, len(of_studio) // 2, -1]]:
        alone = Origins(free.origins.rows[[place]], free.origins.columns[[place]])
        known_then = fleet.panel.until(int(alone.columns[0]))
        served = served_rows(fleet, known_then, alone, {})
        np.testing.assert_array_equal(served[0], free.rows[place])
        assert not np.array_equal(served[0], free.rows[place - 1])


def test_the_frame_finds_its_place_in_any_order(fleet: Fitted) -> None:
    frame = feature_frame(fleet.panel)
    shuffled = frame.sample(frac=1, random_state=1)
    np.testing.assert_array_equal(feature_array(shuffled, fleet.panel), feature_array(frame, fleet.panel))


def test_features_are_finite_described_and_named_once(fleet: Fitted) -> None:
    frame = feature_frame(fleet.panel)
    assert list(frame.columns) == ["studio_id", "month_year", *FEATURE_NAMES]
    assert np.isfinite(frame[list(FEATURE_NAMES)].to_numpy()).all()
    assert len(set(ROW_FEATURES)) == len(ROW_FEATURES)
    assert all(f.unit and f.description for f in FEATURES)
    varying = frame[list(FEATURE_NAMES)].std() > 0
    assert [name for name, varies in varying.items() if not varies] == ["other_share"]
