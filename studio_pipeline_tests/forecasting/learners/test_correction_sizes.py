"""Usual sizes of corrections are those that corrections were drawn with."""

import numpy as np
import pytest

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS, drawn_masks
from studio_pipeline.forecasting.learners.onnx_ensemble import CorrectionSizes, correction_sizes

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
