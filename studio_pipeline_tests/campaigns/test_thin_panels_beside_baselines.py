"""On panels that lack columns, studios or months the ensemble is no worse than the best simple baseline.

The figure is averaged over seeds: a single thin panel holds so little that either may be ahead by luck.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.backtest.test_thin_panels import (
    CLASSES,
    revenue_only,
    wapes_beside_baselines,
)
from studio_pipeline_tests.forecasting.fleets import generated_panel, with_values, without_columns

pytestmark = pytest.mark.campaign


@dataclass(frozen=True)
class Shape:
    """A kind of thin panel, and how many seeds it takes to see past luck."""

    thinned: Callable[[StudioPanel], StudioPanel]
    studios: int = 12
    months: int = 36
    seeds: int = 6


def whole(panel: StudioPanel) -> StudioPanel:
    return panel


def revenue_and_members(panel: StudioPanel) -> StudioPanel:
    return without_columns(panel, [n for n in panel.values if n not in ("total_revenue", "total_members")])


def with_gaps(panel: StudioPanel) -> StudioPanel:
    """An eighth of all months are missing, none of the last ten."""
    missing = np.random.default_rng(5).random((panel.n_studios, panel.n_months)) < 0.125
    missing[:, -10:] = False
    return replace(panel, values={n: np.where(missing, np.nan, a) for n, a in panel.values.items()})


def with_zeros(panel: StudioPanel) -> StudioPanel:
    """Revenue alone, and every other studio closed for three months."""
    revenue = panel.values["total_revenue"].copy()
    revenue[::2, 14:17] = 0.0
    return with_values(revenue_only(panel), {"total_revenue": revenue})


SHAPES: dict[str, Shape] = {
    "revenue_only": Shape(revenue_only),
    "revenue_and_members": Shape(revenue_and_members),
    "no_prices": Shape(lambda panel: without_columns(panel, ["avg_ticket_price"])),
    "no_classes": Shape(lambda panel: without_columns(panel, CLASSES)),
    "one_studio": Shape(whole, studios=1, seeds=24),
    "one_studio_of_revenue": Shape(revenue_only, studios=1, seeds=24),
    "three_studios": Shape(whole, studios=3, seeds=10),
    "eight_months": Shape(whole, months=8, seeds=8),
    "gaps": Shape(with_gaps),
    "zeros": Shape(with_zeros),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_thin_panel_is_forecast_no_worse_than_by_a_spreadsheet(name: str) -> None:
    shape = SHAPES[name]
    found = []
    for seed in range(1, shape.seeds + 1):
        world = generated_panel(shape.studios, shape.months + 12, seed)
        panel = shape.thinned(world.until(shape.months - 1))
        found.append(wapes_beside_baselines(panel, world, ForecastingConfig()))
    figures = {method: round(float(np.mean([each[method] for each in found])), 4) for method in found[0]}
    print(f"{name}, WAPE of months 1-3: {figures}")  # noqa: T201
    ensemble = figures.pop("ensemble")
    assert ensemble <= 1.02 * min(figures.values())
