"""Intervals hold what they promise: generated fleets whose last year is held back.

`pytest -m slow -s` prints the figures.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from studio_pipeline.forecasting.base.given_levers import drawn_masks, given_levers, known_levers
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery, LeverStep
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline_tests.forecasting.fleets import answered, fit_all, generated_panel, year_ahead

SEEDS = (31, 32, 33, 34)
STUDIOS, MONTHS = 80, 60
YOUNG = (2, 4, 8)

pytestmark = pytest.mark.slow


def ahead(panel: StudioPanel) -> FloatArray:
    """(S, 12) revenue of the year that is held back."""
    return panel.values["total_revenue"][:, -12:]


@cache
def forecaster(seed: int) -> Forecaster:
    panel = generated_panel(STUDIOS, MONTHS, seed).until(MONTHS - 13)
    return Forecaster(fit_all(panel, learners=()).model, panel)


def shares(bounds: FloatArray, happened: FloatArray) -> FloatArray:
    """Share inside (..., 2) bounds, over the studios."""
    return np.asarray(((bounds[..., 0] <= happened) & (happened <= bounds[..., 1])).mean(0))


@pytest.mark.parametrize(("level", "allowed"), [(0.5, 0.04), (0.8, 0.04), (0.9, 0.04)])
def test_months_and_totals_are_covered(level: float, allowed: float) -> None:
    months, totals = [], []
    for seed in SEEDS:
        actual, asked = ahead(generated_panel(STUDIOS, MONTHS, seed)), forecaster(seed)
        answers = answered(asked, year_ahead(asked.panel, interval_levels=(level,)))
        months.append(shares(np.stack([a.intervals[level] for a in answers]), actual))
        totals.append(shares(np.array([a.total_intervals[level] for a in answers]), actual.sum(1)))
    print(f"{level:.0%}: months {np.mean(months, 0).round(3)}, totals {np.round(totals, 3)}")  # noqa: T201
    assert np.mean(months) == pytest.approx(level, abs=allowed)
    # A year's total is one draw of the market for each seed.
    assert np.mean(totals) == pytest.approx(level, abs=0.1)


def asked_as_they_then_were(panel: StudioPanel, drawn: bool, seed: int) -> list[ForwardQuery]:
    """Each studio's last year asked for under its levers of that year: all of them, or some."""
    origins = Origins(np.arange(STUDIOS), np.full(STUDIOS, MONTHS - 13))
    levers = known_levers(panel, origins, 12)
    if drawn:
        levers = given_levers(levers, drawn_masks(STUDIOS, np.random.default_rng(seed)))
    return [
        ForwardQuery(
            str(name),
            projection_months=12,
            lever_plan=tuple(
                LeverStep(month + 1, {lever: float(path[row, month]) for lever, path in given.items()})
                for month in range(12)
                if (given := {lever: path for lever, path in levers.items() if np.isfinite(path[row, month])})
            ),
        )
        for row, name in enumerate(panel.studio_ids)
    ]


def widths(answers: list[Forecast]) -> FloatArray:
    """(S, 12) of the months' intervals of 90 %, relative to their forecasts."""
    return np.stack([np.ptp(answer.intervals[0.9], axis=1) / answer.revenue for answer in answers])


@pytest.mark.parametrize("drawn", [False, True], ids=["all levers", "random levers"])
def test_answers_under_levers_as_they_then_were_are_covered(drawn: bool) -> None:
    inside, totals, narrower = [], [], []
    for seed in SEEDS:
        whole, asked = generated_panel(STUDIOS, MONTHS, seed), forecaster(seed)
        happened = ahead(whole)
        given = answered(asked, asked_as_they_then_were(whole, drawn, seed))
        free = answered(asked, year_ahead(asked.panel))
        inside.append(shares(np.stack([a.intervals[0.9] for a in given]), happened))
        totals.append(shares(np.array([a.total_intervals[0.9] for a in given]), happened.sum(1)))
        narrower.append((widths(given) / widths(free)).mean())
    print(f"{np.mean(inside, 0).round(3)}, {totals} at {np.mean(narrower):.2f} of the width")  # noqa: T201
    # A year's total is one draw of the market for each seed.
    assert np.mean(totals) == pytest.approx(0.9, abs=0.1)
    assert 0.86 <= np.mean(inside) <= 0.94
    assert np.mean(narrower) < (0.8 if drawn else 0.3)


def test_studios_with_short_histories_are_covered() -> None:
    inside = []
    for seed in SEEDS:
        whole = generated_panel(STUDIOS, MONTHS, seed)
        values = {name: array.copy() for name, array in whole.until(MONTHS - 13).values.items()}
        left = np.array(YOUNG)[np.arange(STUDIOS // 2) % len(YOUNG)]
        hidden = np.arange(MONTHS - 12) < (MONTHS - 12 - left)[:, None]
        for array in values.values():
            array[: STUDIOS // 2][hidden] = np.nan
        panel = replace(whole.until(MONTHS - 13), values=values)
        asked = Forecaster(fit_all(panel, learners=()).model, panel)
        answers = answered(asked, year_ahead(panel)[: STUDIOS // 2])
        bounds = np.stack([a.intervals[0.9] for a in answers])
        inside.append(shares(bounds, ahead(whole)[: STUDIOS // 2]))
    print(f"{np.mean(inside, 0).round(3)}")  # noqa: T201
    assert np.mean(inside) == pytest.approx(0.9, abs=0.06)
