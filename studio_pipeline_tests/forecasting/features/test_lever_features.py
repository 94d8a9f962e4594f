"""Given levers in a learner's row: a change from the trailing level, a flag, nothing of the months ahead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES
from studio_pipeline.forecasting.features.lever_features import (
    CHANGE_FEATURES,
    GIVEN_FEATURES,
    LEVER_SIGNS,
    determined,
    given_from_levels,
    monotone_signs,
    trailing_levels,
)
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline_tests.forecasting.fleets import generated_panel, months_changed, without_columns

COLUMN = 20
ORIGINS = Origins(np.array([0, 3, 5]), np.array([COLUMN, COLUMN, COLUMN]))


def given_features(panel: StudioPanel, levers: dict[str, FloatArray]) -> FloatArray:
    return given_from_levels(trailing_levels(panel, ORIGINS), levers)


def at_trailing_level(panel: StudioPanel) -> dict[str, FloatArray]:
    levers = {}
    for lever in HELD_LEVERS:
        level = panel.values[LEVER_COLUMNS[lever]][ORIGINS.rows, COLUMN - 2 : COLUMN + 1].mean(1)
        levers[lever] = np.repeat(level[:, None], 12, 1)
    return levers


def test_free_levers_are_zeros_and_levers_at_the_trailing_level_are_no_change() -> None:
    panel = generated_panel()
    assert not given_features(panel, {}).any()
    free = dict.fromkeys(HELD_LEVERS, np.full((3, 12), np.nan))
    assert not given_features(panel, free).any()
    held = given_features(panel, at_trailing_level(panel))
    assert held.shape == (3, 12, len(GIVEN_FEATURES))
    np.testing.assert_allclose(held[:, :, : len(HELD_LEVERS)], 0, atol=1e-12)
    assert (held[:, :, len(HELD_LEVERS) :] == 1).all()


@given(st.floats(0.5, 2.0), st.sampled_from(["avg_ticket_price", "total_classes_held"]))
def test_an_amount_shows_as_the_log_of_its_change(factor: float, lever: str) -> None:
    panel = generated_panel()
    levers = {lever: factor * at_trailing_level(panel)[lever]}
    found = given_features(panel, levers)
    place = GIVEN_FEATURES.index(f"given_{lever}_change")
    np.testing.assert_allclose(found[:, :, place], np.log(factor), atol=1e-9)
    assert np.count_nonzero(found.any((0, 1))) == (1 if factor == 1.0 else 2)


@pytest.mark.parametrize("lever", HELD_LEVERS)
def test_months_after_the_origin_do_not_enter_and_those_before_it_do(lever: str) -> None:
    panel = generated_panel()
    levers = at_trailing_level(panel)
    usual = given_features(panel, levers)
    column = LEVER_COLUMNS[lever]
    later = months_changed(panel, column, slice(COLUMN + 1, None), 0.9)
    np.testing.assert_array_equal(given_features(later, levers), usual)
    before = months_changed(panel, column, slice(COLUMN, COLUMN + 1), 0.9)
    place = CHANGE_FEATURES.index(f"given_{lever}_change")
    assert (given_features(before, levers)[:, :, place] > 0).all()


def test_a_lever_that_the_studio_never_showed_is_given_without_a_change() -> None:
    panel = without_columns(generated_panel(), ["upsell_rate"])
    found = given_features(panel, {"upsell_rate": np.full((3, 12), 0.3)})
    assert not found[:, :, GIVEN_FEATURES.index("given_upsell_rate_change")].any()
    assert (found[:, :, GIVEN_FEATURES.index("is_upsell_rate_given")] == 1).all()


def test_signs_stand_at_the_changes_that_they_are_known_for() -> None:
    for target, levers in LEVER_SIGNS.items():
        signs = monotone_signs(ROW_FEATURES, target)
        found = {ROW_FEATURES[k]: sign for k, sign in enumerate(signs) if sign}
        assert found == {f"given_{lever}_change": sign for lever, sign in levers.items()}


def test_retention_and_members_are_certain_where_their_flows_are_given() -> None:
    nan = np.nan
    retention = np.array([[nan, 0.9, 0.9, 0.9], [0.9, 0.9, nan, 0.9]])
    certain = determined({"retention_rate": retention, "new_members_monthly": np.full((2, 4), 20.0)})
    assert certain["retention"].tolist() == [[False, True, True, True], [True, True, False, True]]
    # A month that was not given leaves all later members open.
    assert certain["members"].tolist() == [[False] * 4, [True, True, False, False]]
    assert not certain["revenue"].any()
    assert not determined({"new_members_monthly": np.full((2, 4), 20.0)})["members"].any()
