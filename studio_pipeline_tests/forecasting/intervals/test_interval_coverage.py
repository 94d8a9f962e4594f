"""Intervals hold what they promise: generated fleets whose last year is held back.

A fleet has one market, whose year is one draw for all its studios, so that shares are means over fleets.
"""

from functools import cache

import numpy as np
import pytest

from studio_pipeline.forecasting.base.given_levers import drawn_masks, given_levers, known_levers
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery, LeverStep
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline_tests.forecasting.fleets import answered, fit_all, generated_panel, hidden, year_ahead

MONTHS = 60
YOUNG = (2, 4, 8)
SEEDS = (31, 32, 33, 34)
SMALL, LARGE = pytest.param(32, marks=pytest.mark.slow), pytest.param(80, marks=pytest.mark.campaign)


def ahead(panel: StudioPanel) -> FloatArray:
    """(S, 12) revenue of the year that is held back."""
    return panel.values["total_revenue"][:, -12:]


@cache
def forecaster(seed: int, studios: int) -> Forecaster:
    panel = generated_panel(studios, MONTHS, seed).until(MONTHS - 13)
    return Forecaster(fit_all(panel, learners=()).model, panel)


def shares(bounds: FloatArray, happened: FloatArray) -> FloatArray:
    """Share inside (..., 2) bounds, over the studios."""
    return np.asarray(((bounds[..., 0] <= happened) & (happened <= bounds[..., 1])).mean(0))


def inside_of(answers: list[Forecast], happened: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Shares of studios whose months, and whose totals, are inside."""
    months = shares(np.stack([a.intervals[level] for a in answers]), happened)
    return months, shares(np.array([a.total_intervals[level] for a in answers]), happened.sum(1))


def covered(seed: int, studios: int, level: float) -> tuple[FloatArray, FloatArray]:
    asked = forecaster(seed, studios)
    answers = answered(asked, year_ahead(asked.panel, interval_levels=(level,)))
    return inside_of(answers, ahead(generated_panel(studios, MONTHS, seed)), level)


def asked_as_they_then_were(panel: StudioPanel, drawn: bool, seed: int) -> list[ForwardQuery]:
    """Each studio's last year asked for under its levers of that year: all of them, or some."""
    studios = panel.n_studios
    origins = Origins(np.arange(studios), np.full(studios, MONTHS - 13))
    levers = known_levers(panel, origins)
    if drawn:
        levers = given_levers(levers, drawn_masks(studios, np.random.default_rng(seed)))
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


def covered_under_levers(seed: int, studios: int, drawn: bool) -> tuple[FloatArray, FloatArray, float]:
    """Shares inside of months and totals under levers as they then were, and relative widths."""
    whole, asked = generated_panel(studios, MONTHS, seed), forecaster(seed, studios)
    given = answered(asked, asked_as_they_then_were(whole, drawn, seed))
    free = answered(asked, year_ahead(asked.panel))
    return *inside_of(given, ahead(whole), 0.9), float((widths(given) / widths(free)).mean())


def covered_of_the_young(seed: int, studios: int) -> FloatArray:
    """Shares inside of the months of the first half of a fleet, left with two to eight months of history."""
    whole = generated_panel(studios, MONTHS, seed)
    left = np.array(YOUNG)[np.arange(studios // 2) % len(YOUNG)]
    before = np.zeros((studios, MONTHS - 12), dtype=bool)
    before[: studios // 2] = np.arange(MONTHS - 12) < (MONTHS - 12 - left)[:, None]
    panel = hidden(whole.until(MONTHS - 13), before)
    asked = Forecaster(fit_all(panel, learners=()).model, panel)
    answers = answered(asked, year_ahead(panel)[: studios // 2])
    return inside_of(answers, ahead(whole)[: studios // 2], 0.9)[0]


@pytest.mark.parametrize("studios", [SMALL, LARGE])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_months_and_totals_are_covered(studios: int, level: float) -> None:
    months, totals = zip(*(covered(seed, studios, level) for seed in SEEDS), strict=True)
    print(f"{level:.0%}: months {np.mean(months, 0).round(3)}, totals {np.round(totals, 3)}")  # noqa: T201
    assert np.mean(months) == pytest.approx(level, abs=0.04 if studios >= 80 else 0.1)
    assert np.mean(totals) == pytest.approx(level, abs=0.1 if studios >= 80 else 0.12)


@pytest.mark.parametrize("studios", [SMALL, LARGE])
@pytest.mark.parametrize("drawn", [False, True], ids=["all levers", "random levers"])
def test_answers_under_levers_as_they_then_were_are_covered(studios: int, drawn: bool) -> None:
    inside, totals, narrower = zip(
        *(covered_under_levers(seed, studios, drawn) for seed in SEEDS), strict=True
    )
    print(f"{np.mean(inside, 0).round(3)}, {totals} at {np.mean(narrower):.2f} of the width")  # noqa: T201
    assert np.mean(totals) == pytest.approx(0.9, abs=0.1)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.04 if studios >= 80 else 0.08)
    assert np.mean(narrower) < (0.8 if drawn else 0.3)


@pytest.mark.parametrize("studios", [SMALL, LARGE])
def test_studios_with_short_histories_are_covered(studios: int) -> None:
    inside = [covered_of_the_young(seed, studios) for seed in SEEDS]
    print(f"{np.mean(inside, 0).round(3)}")  # noqa: T201
    assert np.mean(inside) == pytest.approx(0.9, abs=0.06 if studios >= 80 else 0.1)
