"""Responses over many seeds: standard errors are as large as errors, and what is not planted is not found."""

import numpy as np
import pytest

from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator import months
from studio_pipeline_tests.forecasting.responses.test_gls import errors_where_few_studios_move
from studio_pipeline_tests.forecasting.responses.test_response_recovery import (
    estimated,
    options,
    plant_no_response,
    planted_and_found,
    within_two_standard_errors,
)
from studio_pipeline_tests.forecasting.responses.test_responses import share_within_two_standard_errors

pytestmark = pytest.mark.campaign

SEEDS = range(3000, 3060)


def test_two_standard_errors_hold_nine_times_in_ten() -> None:
    assert share_within_two_standard_errors(range(100, 140)) >= 0.9


def test_planted_responses_are_within_two_standard_errors_nine_times_in_ten() -> None:
    """All four planted slopes of every seed count."""
    found = planted_and_found(SEEDS)
    hits = {name: [within_two_standard_errors(*one) for one in each] for name, each in found.items()}
    months = {name: [effect.prior_share < 0.5 for effect, _ in each] for name, each in found.items()}
    shares = {name: float(np.mean(hit)) for name, hit in hits.items()}
    print(f"within two standard errors: {shares}")  # noqa: T201
    # Of 240 slopes, a true rate of 0.9 gives at least 0.855 in 99 of 100 cases, one of 0.8 in 2.
    assert np.mean([hit for each in hits.values() for hit in each]) >= 0.855, shares
    # Of 60, a true rate of 0.9 gives at least 0.78 in 199 of 200 cases.
    assert min(shares.values()) >= 0.78, shares
    # Intervals that hold because they are wide would be no recovery.
    assert np.mean([hit for each in months.values() for hit in each]) >= 0.85
    assert np.mean(months["price on retention"]) >= 0.95


def test_of_nothing_planted_little_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posteriors are cut off at 0, so what is left of a prior lies within its error as often as others do."""
    plant_no_response(monkeypatch)
    within = []
    for seed in SEEDS:
        responses = estimated(panel_from_frame(months.generate_months(options(seed))))
        for flow in ("retention", "acquisition"):
            within += [abs(e.effect) <= 2.5 * e.standard_error for e in responses.effects[flow].values()]
    assert np.mean(within) >= 0.855


def test_standard_errors_are_as_large_as_errors_where_few_studios_move_a_lever() -> None:
    actual, squared, without_correction = errors_where_few_studios_move(range(150))
    # The variance is right on average; the ratio of a single slope to its error still has a t's tails.
    assert 0.75 < squared / actual < 1.5
    assert without_correction / actual < 0.7
