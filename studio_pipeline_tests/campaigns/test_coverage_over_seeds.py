"""Intervals hold what they promise, over several generated fleets whose last year is held back."""

import numpy as np
import pytest

from studio_pipeline_tests.forecasting.intervals.test_interval_coverage import (
    covered,
    covered_of_the_young,
    covered_under_levers,
)

pytestmark = pytest.mark.campaign

SEEDS = (31, 32, 33, 34)
STUDIOS = 80


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_months_and_totals_of_several_fleets_are_covered(level: float) -> None:
    months, totals = zip(*(covered(seed, STUDIOS, level) for seed in SEEDS), strict=True)
    print(f"{level:.0%}: months {np.mean(months, 0).round(3)}, totals {np.round(totals, 3)}")  # noqa: T201
    assert np.mean(months) == pytest.approx(level, abs=0.04)
    # A year's total is one draw of the market for each seed.
    assert np.mean(totals) == pytest.approx(level, abs=0.1)


@pytest.mark.parametrize("drawn", [False, True], ids=["all levers", "random levers"])
def test_several_fleets_under_levers_as_they_then_were_are_covered(drawn: bool) -> None:
    found = [covered_under_levers(seed, STUDIOS, drawn) for seed in SEEDS]
    inside, totals, narrower = zip(*found, strict=True)
    print(f"{np.mean(inside, 0).round(3)}, {totals} at {np.mean(narrower):.2f} of the width")  # noqa: T201
    # A year's total is one draw of the market for each seed.
    assert np.mean(totals) == pytest.approx(0.9, abs=0.1)
    assert 0.86 <= np.mean(inside) <= 0.94
    assert np.mean(narrower) < (0.8 if drawn else 0.3)


def test_short_histories_of_several_fleets_are_covered() -> None:
    inside = [covered_of_the_young(seed, STUDIOS) for seed in SEEDS]
    print(f"{np.mean(inside, 0).round(3)}")  # noqa: T201
    assert np.mean(inside) == pytest.approx(0.9, abs=0.06)
