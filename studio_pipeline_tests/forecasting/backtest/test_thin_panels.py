"""Panels that lack columns, studios or months still get a forecast: finite, and not below zero."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from studio_pipeline.evaluation.metrics.backtest import backtest
from studio_pipeline.evaluation.metrics.schemas import PREDICTIONS
from studio_pipeline.forecasting.backtest.baselines import baseline_forecasts
from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import (
    CLASSES,
    CONFIGURATION,
    SPLIT,
    answered,
    fit_all,
    generated_panel,
    hidden,
    months_changed,
    only_columns,
    with_values,
    without_columns,
    without_months,
    year_ahead,
)

FLOWS = ("new_members", "churned_members", "retention_rate")


def revenue_only(panel: StudioPanel) -> StudioPanel:
    return only_columns(panel, ["total_revenue"])


def closed_for_a_while(panel: StudioPanel) -> StudioPanel:
    return months_changed(revenue_only(panel), "total_revenue", slice(15, 19), 0.0)


PANELS: dict[str, Callable[[StudioPanel], StudioPanel]] = {
    "revenue_only": revenue_only,
    "without_members": lambda p: without_columns(p, ("total_members", *FLOWS)),
    "without_member_flows": lambda p: without_columns(p, FLOWS),
    "without_prices": lambda p: without_columns(p, ["avg_ticket_price"]),
    "without_classes": lambda p: without_columns(p, CLASSES),
    "without_the_split_of_revenue": lambda p: without_columns(p, SPLIT),
    "without_types": lambda p: replace(p, studio_types=np.full(p.n_studios, "")),
    "one_studio": lambda p: p.select(slice(0, 1)),
    "two_studios": lambda p: p.select(slice(0, 2)),
    "one_month": lambda p: p.until(0),
    "two_months": lambda p: p.until(1),
    "eight_months": lambda p: p.until(7),
    "fourteen_months": lambda p: p.until(13),
    "one_studio_of_revenue_and_two_months": lambda p: revenue_only(p.select(slice(0, 1)).until(1)),
    "a_studio_of_one_month": lambda p: without_months(p, 0, range(p.n_months - 1)),
    "a_studio_without_a_month": lambda p: without_months(p, 0, range(p.n_months)),
    "closed_for_a_while": closed_for_a_while,
    "nothing_but_zeros": lambda p: months_changed(revenue_only(p), "total_revenue", slice(None), 0.0),
}

WITHOUT_MEMBERS = ("revenue_only", "without_members", "closed_for_a_while")
SLOW = ("without_types", "without_the_split_of_revenue", "two_studios", "a_studio_of_one_month")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in PANELS]
)
def test_a_thin_panel_still_gets_a_forecast(name: str, tmp_path: Path) -> None:
    panel = PANELS[name](generated_panel(8, 30))
    fitted = fit_all(panel, learners=("lightgbm",))
    fitted.model.save(tmp_path)
    model = StudioModel.load(tmp_path)
    has_months = np.flatnonzero(panel.last_months >= 0)
    queries = [year_ahead(panel)[row] for row in has_months]
    for row, answer in zip(has_months, answered(Forecaster(model, panel), queries), strict=True):
        assert np.isfinite(answer.revenue).all()
        assert (answer.revenue >= 0).all()
        bounds = answer.intervals[0.9]
        assert np.isfinite(bounds).all()
        assert (bounds[:, 0] <= answer.revenue).all() or (answer.revenue == 0).all()
        assert (bounds[:, 0] <= bounds[:, 1]).all()
        assert ((answer.confidence_score >= 0) & (answer.confidence_score <= 1)).all()
        for numbers in (answer.member_count, answer.retention_rate):
            assert np.isnan(numbers).all() or (np.isfinite(numbers).all() and (numbers >= 0).all())
        if name in WITHOUT_MEMBERS:
            last = panel.values["total_revenue"][row, -3:].mean()
            assert 0.4 * last < answer.revenue.mean() < 2.5 * last
            assert np.isnan(answer.member_count).all()
    predictions = backtest(panel, fitted.core, fitted.fits, fitted.weights, CONFIGURATION)
    assert set(predictions.columns) == set(PREDICTIONS.columns)
    # A studio that never earns anything is not forecast: it counts as closed.
    assert (len(predictions) > 0) == (bool(fitted.core.folds) and name != "nothing_but_zeros")


def wapes_beside_baselines(
    panel: StudioPanel, world: StudioPanel, configuration: ForecastingConfig, ahead: int = 3
) -> dict[str, float]:
    """Method to its WAPE over the first months of a world after the panel."""
    fitted = fit_all(panel, configuration, learners=("lightgbm",))
    answers = answered(Forecaster(fitted.model, panel), year_ahead(panel))
    revenue, rows = panel.values["total_revenue"], np.arange(panel.n_studios)
    forecasts = baseline_forecasts(revenue, Origins(rows, panel.last_months))
    forecasts["ensemble"] = np.stack([answer.revenue for answer in answers])
    actual = world.values["total_revenue"][:, panel.n_months :][:, :ahead]
    return {
        method: float(np.abs(forecast[:, :ahead] - actual).sum() / actual.sum())
        for method, forecast in forecasts.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(("name", "largest_ratio"), [("revenue_only", 0.88), ("without_classes", 0.88)])
def test_a_thin_panel_is_forecast_better_than_by_a_spreadsheet(name: str, largest_ratio: float) -> None:
    ratios = []
    for seed in (1, 2, 3):
        world = generated_panel(12, 48, seed)
        wapes = wapes_beside_baselines(PANELS[name](world.until(35)), world, CONFIGURATION)
        ratios.append(wapes.pop("ensemble") / min(wapes.values()))
    assert np.mean(ratios) <= largest_ratio, ratios


@dataclass(frozen=True)
class Shape:
    """A kind of thin panel, and how many seeds it takes to see past luck."""

    thinned: Callable[[StudioPanel], StudioPanel]
    studios: int = 12
    months: int = 36
    seeds: int = 6


def with_gaps(panel: StudioPanel) -> StudioPanel:
    """An eighth of all months are missing, none of the last ten."""
    missing = np.random.default_rng(5).random((panel.n_studios, panel.n_months)) < 0.125
    missing[:, -10:] = False
    return hidden(panel, missing)


def with_zeros(panel: StudioPanel) -> StudioPanel:
    """Revenue alone, and every other studio closed for three months."""
    revenue = panel.values["total_revenue"].copy()
    revenue[::2, 14:17] = 0.0
    return with_values(revenue_only(panel), {"total_revenue": revenue})


SHAPES: dict[str, Shape] = {
    "revenue_only": Shape(revenue_only),
    "revenue_and_members": Shape(lambda panel: only_columns(panel, ["total_revenue", "total_members"])),
    "no_prices": Shape(PANELS["without_prices"]),
    "no_classes": Shape(PANELS["without_classes"]),
    "one_studio": Shape(lambda panel: panel, studios=1, seeds=24),
    "one_studio_of_revenue": Shape(revenue_only, studios=1, seeds=24),
    "three_studios": Shape(lambda panel: panel, studios=3, seeds=10),
    "eight_months": Shape(lambda panel: panel, months=8, seeds=8),
    "gaps": Shape(with_gaps),
    "zeros": Shape(with_zeros),
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", SHAPES)
def test_a_thin_panel_is_forecast_no_worse_than_by_a_spreadsheet(name: str) -> None:
    """A single thin panel holds so little that either may be ahead by luck."""
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
