"""Fleets that drift from a known month on, and stand-ins for the forecast errors of a published model."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import logit

from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline.panel.generator.dynamics import advance
from studio_pipeline.panel.generator.fleet import N_TRAITS, build_fleet
from studio_pipeline.panel.generator.options import GeneratorConfig, planted_responses
from studio_pipeline.panel.generator.state import (
    MONTH_COLUMNS,
    MarketNoise,
    StudioNoise,
    World,
    build_world,
    market_noise,
    opening_state,
    studio_noise,
)

Change = Callable[[World], World]


def fleet_panel(
    options: GeneratorConfig, change: Change | None = None, since: int = 0, thin: int = 1
) -> StudioPanel:
    """The months of a fleet whose world is changed from month `since` on.

    Args:
        options: the fleet.
        change: makes the new world of the old one; None for no drift.
        since: index of the first month in the new world.
        thin: keep every `thin`-th studio.
    """
    n_months = options.months
    traits, noise = studio_noise(options.seed, options.studios, N_TRAITS, n_months)
    market = market_noise(options.seed, n_months)
    responses = planted_responses(options)
    fleet = build_fleet(options, responses, traits)
    world = build_world(options, fleet, responses, n_months)
    state, books = opening_state(fleet), []
    for month in range(n_months):
        if change is not None and month == since:
            world = change(world)
        shocks = StudioNoise(*noise[month]), MarketNoise(*market[month])
        state, shown = advance(world, state, month, shocks, {})
        books.append(shown)
    values = {name: np.full((options.studios, n_months), np.nan) for name in NUMERIC_COLUMNS}
    for name in MONTH_COLUMNS:
        values[name] = np.stack([getattr(month, name) for month in books], axis=1).astype(np.float64)
    values["retention_rate"][:, 0] = np.nan
    panel = StudioPanel(fleet.studio_ids, fleet.studio_types, options.first_month, values)
    return panel.select(slice(None, None, thin))


def retention_drop(affected: np.ndarray, points: float) -> Change:
    """Retention falls by so many points (a share) in the affected studios; members and revenue follow."""

    def change(world: World) -> World:
        base = world.fleet.retention
        step = np.where(affected, logit(base - points) - logit(base), 0.0)
        season = world.fleet.retention_season + step
        return replace(world, fleet=replace(world.fleet, retention_season=season))

    return change


def with_retention_drop(panel: StudioPanel, affected: np.ndarray, since: int, points: float) -> StudioPanel:
    """Months that are given, as they would have been with a lower retention: members, attendance, revenue."""
    values = {name: array.copy() for name, array in panel.values.items()}
    old = panel.values
    for month in range(since, panel.n_months):
        stock = values["total_members"][affected, month - 1]
        rate = old["retention_rate"][affected, month] - points
        churned = np.rint(stock * (1 - rate))
        members = stock - churned + old["new_members"][affected, month]
        ratio = members / old["total_members"][affected, month]
        values["churned_members"][affected, month] = churned
        values["retention_rate"][affected, month] = 1 - churned / stock
        values["total_members"][affected, month] = members
        for name in ("membership_revenue", "class_pack_revenue", "retail_revenue", "upsell_revenue"):
            values[name][affected, month] *= ratio
        values["total_revenue"][affected, month] *= ratio
        values["total_class_attendance"][affected, month] *= ratio
        values["class_attendance_rate"][affected, month] *= ratio
    return replace(panel, values=values)


def stand_in_errors(panel: StudioPanel, horizons: tuple[int, ...] = (1, 3)) -> dict[str, FloatArray]:
    """Log errors of a simple forecast of revenue: the last value times the season of the years before.

    They stand in for a model's backtest, which would take minutes a fleet: as long-tailed, and as much
    shared between studios and overlapping months.
    """
    logs = np.log(np.maximum(panel.values["total_revenue"], 1.0))
    errors = {}
    for horizon in horizons:
        moved = np.full(logs.shape, np.nan)
        moved[:, horizon:] = logs[:, horizon:] - logs[:, :-horizon]
        usual = np.full(logs.shape, np.nan)
        for month in range(12 + horizon, panel.n_months):
            earlier = moved[:, month - 12 : horizon - 1 : -12] if horizon else moved
            for studio_type in np.unique(panel.studio_types):
                rows = panel.studio_types == studio_type
                usual[rows, month] = np.nanmedian(earlier[rows])
        errors[f"error_{horizon}_months_ahead"] = moved - usual
    return errors
