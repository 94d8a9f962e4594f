"""What learners are fitted on: each studio's own misses under given levers, in their usual sizes."""

import numpy as np
import pytest

from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS, drawn_masks
from studio_pipeline.forecasting.base.origins import Origins, origins_between
from studio_pipeline.forecasting.core.states import core_states
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES
from studio_pipeline.forecasting.features.feature_store import feature_array, feature_frame
from studio_pipeline.forecasting.features.lever_features import IS_GIVEN_FEATURES
from studio_pipeline.forecasting.learners.onnx_ensemble import CorrectionSizes, correction_sizes
from studio_pipeline.forecasting.learners.training_set import LearningRows, learning_rows
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import Fitted, months_changed, with_values

COLUMN = 24
REVENUE, MEMBERS, RETENTION = (TARGETS.index(t) for t in ("revenue", "members", "retention"))


def rows_of(fleet: Fitted, panel: StudioPanel, origins: Origins) -> LearningRows:
    states = core_states(panel, fleet.core.parameters)
    features = feature_array(feature_frame(panel), panel)
    return learning_rows(panel, features, states, origins, 10**6, np.random.default_rng(1))


def flags(rows: LearningRows, lever: str) -> np.ndarray:
    return rows.features[:, ROW_FEATURES.index(f"is_{lever}_given")] == 1


def test_what_hits_all_studios_at_once_is_taken_out_under_every_mask(fleet: Fitted) -> None:
    origins = origins_between(fleet.panel, COLUMN - 2, COLUMN)
    usual = rows_of(fleet, fleet.panel, origins)
    hit = months_changed(fleet.panel, "total_revenue", slice(COLUMN + 1, None), 0.93)
    again = rows_of(fleet, hit, origins)
    np.testing.assert_array_equal(again.features, usual.features)
    given = usual.features[:, [ROW_FEATURES.index(name) for name in IS_GIVEN_FEATURES]]
    assert len(np.unique(given, axis=0)) > 2
    np.testing.assert_allclose(again.corrections, usual.corrections, atol=1e-6)
    ahead = usual.features[:, ROW_FEATURES.index("horizon_months")] * 12
    one_studio = fleet.panel.values["total_revenue"].copy()
    one_studio[0, COLUMN + 1 :] *= 0.93
    alone = with_values(fleet.panel, {"total_revenue": one_studio})
    moved = np.abs(rows_of(fleet, alone, origins).corrections - usual.corrections)[:, REVENUE]
    assert all(np.nanmax(moved[np.rint(ahead) == h]) > 0.1 for h in range(1, 12))


def test_misses_are_in_usual_sizes_and_none_on_average(fleet: Fitted) -> None:
    rows = rows_of(fleet, fleet.panel, origins_between(fleet.panel, 12, 38))
    ahead = np.rint(rows.features[:, ROW_FEATURES.index("horizon_months")] * 12)
    for k in range(len(TARGETS)):
        known = np.isfinite(rows.corrections[:, k])
        assert 0.5 < rows.corrections[known, k].std() < 1.2
        for h in range(1, 13):
            assert abs(rows.corrections[known & (ahead == h), k].mean()) < 0.05


def test_levers_that_settle_a_target_leave_nothing_of_it_to_learn(fleet: Fitted) -> None:
    rows = rows_of(fleet, fleet.panel, origins_between(fleet.panel, 12, 38))
    retention, new_members = flags(rows, "retention_rate"), flags(rows, "new_members_monthly")
    assert np.isnan(rows.corrections[retention, RETENTION]).all()
    assert np.isfinite(rows.corrections[~retention, RETENTION]).mean() > 0.9
    both = retention & new_members
    assert both.any()
    # Later ones may lie behind a gap, in which nothing was given.
    next_month = rows.features[:, ROW_FEATURES.index("horizon_months")] < 1.5 / 12
    assert np.isnan(rows.corrections[both & next_month, MEMBERS]).all()
    assert np.isfinite(rows.corrections[both, REVENUE]).all()


def test_no_origins_give_no_rows(fleet: Fitted) -> None:
    none = Origins(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    rows = rows_of(fleet, fleet.panel, none)
    assert rows.features.shape == (0, len(ROW_FEATURES))
    assert rows.corrections.shape == (0, len(TARGETS))


BY_HORIZON = 0.01 * np.sqrt(np.arange(1, 13))
VARIANCES = np.array([0.04, 0.5, 0.3, 0.0, 0.16, 0.0, 0.0, 0.0])


def test_sizes_are_recovered_by_horizon_and_by_what_is_given() -> None:
    rng = np.random.default_rng(4)
    given = drawn_masks(20_000, rng)
    truth = CorrectionSizes(tuple(BY_HORIZON), tuple(VARIANCES)).of(np.repeat(given[:, None], 12, 1))
    found = correction_sizes(rng.normal(0, truth), given)
    for mask in (np.zeros(7, bool), np.ones(7, bool), np.arange(7) == 0):
        asked = np.repeat(mask[None, None], 12, 1)
        expected = BY_HORIZON * np.sqrt(VARIANCES[0] + VARIANCES[1:] @ ~mask)
        # The few beyond three usual sizes count less than they are.
        np.testing.assert_allclose(found.of(asked)[0], expected, rtol=0.1)


def test_a_horizon_of_which_little_is_known_is_not_corrected() -> None:
    rng = np.random.default_rng(4)
    corrections = rng.normal(0, 0.1, (500, 12))
    corrections[10:, 8:] = np.nan
    sizes = correction_sizes(corrections, drawn_masks(500, rng)).of(np.zeros((1, 12, len(HELD_LEVERS))))
    assert (sizes[0, :8] > 0.05).all()
    assert not sizes[0, 8:].any()


@pytest.mark.parametrize("unknown", [np.full((30, 12), np.nan), np.zeros((30, 12))])
def test_without_anything_missed_nothing_is_corrected(unknown: np.ndarray) -> None:
    sizes = correction_sizes(unknown, np.zeros((30, len(HELD_LEVERS)), bool))
    assert not sizes.of(np.zeros((2, 12, len(HELD_LEVERS)))).any()
