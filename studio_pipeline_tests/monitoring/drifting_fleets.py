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


def fleet_panel(options: GeneratorConfig, change: Change | None = None, since: int = 0) -> StudioPanel:
    """The months of a fleet whose world is changed from month `since` on.

    Args:
        options: the fleet.
        change: makes the new world of the old one; None for no drift.
        since: index of the first month in the new world.
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
    return StudioPanel(fleet.studio_ids, fleet.studio_types, options.first_month, values)


def retention_drop(affected: np.ndarray, points: float) -> Change:
    """Retention falls by so many points (a share) in the affected studios; members and revenue follow."""

    def change(world: World) -> World:
        base = world.fleet.retention
        step = np.where(affected, logit(base - points) - logit(base), 0.0)
        season = world.fleet.retention_season + step
        return replace(world, fleet=replace(world.fleet, retention_season=season))

    return change


def stand_in_errors(panel: StudioPanel) -> dict[str, FloatArray]:
    """Log errors of a simple forecast of revenue: the last value times the season of the years before.

    They stand in for a model's backtest, which would take minutes a fleet: as long-tailed, and as much
    shared between studios and overlapping months.
    """
    logs = np.log(np.maximum(panel.values["total_revenue"], 1.0))
    errors = {}
    for horizon in (1, 3):
        moved = np.full(logs.shape, np.nan)
        moved[:, horizon:] = logs[:, horizon:] - logs[:, :-horizon]
        usual = np.full(logs.shape, np.nan)
        for month in range(12 + horizon, panel.n_months):
            earlier = moved[:, month - 12 : horizon - 1 : -12]
            for studio_type in np.unique(panel.studio_types):
                rows = panel.studio_types == studio_type
                usual[rows, month] = np.nanmedian(earlier[rows])
        errors[f"error_{horizon}_months_ahead"] = moved - usual
    return errors
