"""Generated months as a data frame in the contract's columns.

Runs the simulation (`dynamics`) from the opening state month by month. The validation of real files is not
involved; `ingest.landing.raw_from_numbers` turns the frame into raw rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.columns import COLUMNS, COUNT_COLUMNS, RATE_COLUMNS
from studio_pipeline.panel.generator.dynamics import advance
from studio_pipeline.panel.generator.fleet import N_TRAITS, build_fleet
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.panel.generator.planted_responses import planted_responses
from studio_pipeline.panel.generator.randomness import MarketNoise, StudioNoise, market_noise, studio_noise
from studio_pipeline.panel.generator.state import (
    MONTH_COLUMNS,
    HeldLevers,
    Month,
    State,
    World,
    build_world,
    held_or,
    opening_state,
)


@dataclass(frozen=True)
class Simulation:
    """The months of a fleet and its final state.

    Attributes:
        world: the fleet, its planted coefficients and its calendar.
        months: the recorded months, in order.
        state: of every studio at the end of the last month.
    """

    world: World
    months: tuple[Month, ...]
    state: State


def generate_months(options: GeneratorConfig) -> pd.DataFrame:
    """Generate the months of a synthetic fleet.

    Returns:
        One row a studio and month, sorted by both, in the contract's columns and order (without
        `other_revenue`): month_year datetime64[ns], counts int64, money in whole cents and rates as float64.
        No value is missing. Revenue adds up to the cent, members to the head; the retention of the first
        month refers to a stock before it that is not shown.
    """
    simulation = simulate(options, options.months)
    fleet = simulation.world.fleet
    n_studios = len(fleet.studio_ids)
    months = options.first_month + np.arange(options.months)
    columns: dict[str, object] = {
        "studio_id": np.repeat(fleet.studio_ids.astype(object), options.months),
        "month_year": np.tile(months.astype("datetime64[ns]"), n_studios),
        "studio_type": np.repeat(fleet.studio_types.astype(object), options.months),
    }
    for name in MONTH_COLUMNS:
        columns[name] = _column(
            name, np.stack([getattr(month, name) for month in simulation.months], axis=1).ravel()
        )
    return pd.DataFrame({column.name: columns[column.name] for column in COLUMNS if column.name in columns})


def simulate(options: GeneratorConfig, n_months: int, n_ahead: int = 0) -> Simulation:
    """Simulate the first `n_months` months, on a calendar that extends `n_ahead` months further."""
    traits, noise = studio_noise(options.seed, options.studios, N_TRAITS, n_months)
    market = market_noise(options.seed, n_months)
    responses = planted_responses(options)
    world = build_world(options, build_fleet(options, responses, traits), responses, n_months + n_ahead)
    state, held = _opening(world, options.held)
    months = []
    for month in range(n_months):
        own_and_common = StudioNoise(*noise[month]), MarketNoise(*market[month])
        state, books = advance(world, state, month, own_and_common, held)
        months.append(books)
    return Simulation(world, tuple(months), state)


def hold_stock(state: State, held: HeldLevers) -> State:
    """The state with `current_member_count` as its stock, where that is held."""
    members = held_or(held, "current_member_count", state.members)
    return replace(state, members=members)


def _opening(world: World, held: Mapping[str, float]) -> tuple[State, HeldLevers]:
    levers = {lever: np.asarray(value, dtype=np.float64) for lever, value in held.items()}
    return hold_stock(opening_state(world.fleet), levers), levers


def _column(name: str, values: FloatArray) -> np.ndarray:
    if name in COUNT_COLUMNS:
        return values.astype(np.int64)
    return values.round(6) if name in RATE_COLUMNS else values
