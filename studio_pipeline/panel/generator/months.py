"""Generated months as a data frame, and the true effects of interventions on a fleet.

Runs the simulation (`dynamics`) from the opening state month by month. The validation of real files is not
involved; `ingest.landing.raw_from_numbers` turns the frame into raw rows.

The mean over many simulated futures of the known process, to compare predictions with
(`evaluation.levers.true_effects`). Also holds the partial interventions that are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from studio_pipeline.errors import InputError
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.columns import COLUMNS, COUNT_COLUMNS, RATE_COLUMNS
from studio_pipeline.panel.generator.dynamics import advance
from studio_pipeline.panel.generator.fleet import N_TRAITS, build_fleet
from studio_pipeline.panel.generator.options import (
    HELD_BOUNDS,
    GeneratorConfig,
    month_number,
    planted_responses,
)
from studio_pipeline.panel.generator.randomness import (
    MarketNoise,
    StudioNoise,
    future_noise,
    market_noise,
    studio_noise,
)
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


Intervention = Mapping[str, ArrayLike]
"""Levers held: name to one value, or to one per studio, (S,), NaN where that studio's stays free."""


def expected_months(
    options: GeneratorConfig, base_month: str, months_ahead: int, held: Intervention, draws: int = 200
) -> pd.DataFrame:
    """Mean and range of the months after `base_month` over many possible futures.

    Every future starts from the true state at the end of `base_month`. The market, the studios' noise and
    their owners' decisions are drawn anew, with the same draws for every intervention (common random
    numbers), so that differences between two calls are the effects of the levers. The course of the common
    shock is fixed.

    Args:
        options: of the fleet; levers held there stay held.
        base_month: the last known month, YYYY-MM, one of the fleet's months.
        months_ahead: 1 or more.
        held: levers held over all months ahead; `current_member_count` is the stock at their start.
        draws: number of futures, 1 or more.

    Returns:
        One row per horizon and studio: studio_id, horizon (from 1), revenue_mean, members_mean, revenue_p05,
        revenue_p95.

    Raises:
        InputError: the base month is not one of the fleet's, or there is no such lever.
    """
    return expected_interventions(options, base_month, months_ahead, [held], draws)[0]


def expected_interventions(
    options: GeneratorConfig,
    base_month: str,
    months_ahead: int,
    interventions: Sequence[Intervention],
    draws: int = 200,
) -> list[pd.DataFrame]:
    """`expected_months` for several interventions, over the same futures."""
    n_months = month_number(base_month) - options.first_month_number + 1
    if not 1 <= n_months <= options.months:
        raise InputError(
            f"{base_month} is not one of the {options.months} months up to {options.last_month}.",
            "Choose a base month among them.",
        )
    simulation = simulate(options, n_months, months_ahead)
    return [
        _expected(
            simulation, options, _levers({**options.held, **held}, options.studios), (months_ahead, draws)
        )
        for held in interventions
    ]


def _expected(
    simulation: Simulation, options: GeneratorConfig, held: HeldLevers, shape: tuple[int, int]
) -> pd.DataFrame:
    months_ahead, draws = shape
    n_months = len(simulation.months)
    state = hold_stock(simulation.state, held)
    revenue = np.empty((*shape, options.studios))
    members = np.empty_like(revenue)
    futures = future_noise(options.seed, n_months, draws, options.studios)
    for ahead, noise in zip(range(months_ahead), futures, strict=False):
        state, books = advance(simulation.world, state, n_months + ahead, noise, held)
        revenue[ahead], members[ahead] = books.total_revenue, books.total_members
    return _frame(simulation.world.fleet.studio_ids, revenue, members)


def _levers(held: Intervention, n_studios: int) -> HeldLevers:
    for lever in held:
        if lever not in HELD_BOUNDS:
            raise InputError(f"There is no lever {lever!r}.", f"Use one of {', '.join(HELD_BOUNDS)}.")
    return {
        lever: np.broadcast_to(np.asarray(value, dtype=np.float64), (n_studios,))
        for lever, value in held.items()
    }


def _frame(studio_ids: np.ndarray, revenue: FloatArray, members: FloatArray) -> pd.DataFrame:
    months_ahead, _, n_studios = revenue.shape
    low, high = np.quantile(revenue, [0.05, 0.95], axis=1)
    return pd.DataFrame(
        {
            "studio_id": np.tile(studio_ids.astype(object), months_ahead),
            "horizon": np.repeat(np.arange(1, months_ahead + 1), n_studios),
            "revenue_mean": revenue.mean(axis=1).ravel(),
            "members_mean": members.mean(axis=1).ravel(),
            "revenue_p05": low.ravel(),
            "revenue_p95": high.ravel(),
        }
    )


Levers = dict[str, FloatArray]
"""Lever to its held values, one per studio, (S,)."""

WHOLE_LEVERS = ("new_members_monthly", "total_classes_held", "current_member_count")
"""Levers that are counts."""

CHANGED_LEVERS: dict[str, str] = {
    "price_up_10": "avg_ticket_price",
    "price_down_10": "avg_ticket_price",
    "retention_up_2": "retention_rate",
    "new_up_25": "new_members_monthly",
    "classes_up_25": "total_classes_held",
}
"""Partial intervention to the lever that it changes."""


def partial_interventions(now: Mapping[str, FloatArray]) -> dict[str, Levers]:
    """Partial interventions by name: one lever moved slightly from its present value, all others free.

    Args:
        now: lever to (S,) present values.

    Returns:
        Intervention to its held lever, within the ranges of the generator.
    """
    changed = {
        "price_up_10": now["avg_ticket_price"] * 1.1,
        "price_down_10": now["avg_ticket_price"] * 0.9,
        "retention_up_2": now["retention_rate"] + 0.02,
        "new_up_25": now["new_members_monthly"] * 1.25,
        "classes_up_25": now["total_classes_held"] * 1.25,
    }
    return {name: allowed({CHANGED_LEVERS[name]: values}) for name, values in changed.items()}


def allowed(levers: Mapping[str, FloatArray]) -> Levers:
    """Round counts to whole numbers and the rest to four digits, and clip all to `HELD_BOUNDS`."""
    rounded = {lever: np.rint(v) if lever in WHOLE_LEVERS else v.round(4) for lever, v in levers.items()}
    return {lever: np.clip(v, *HELD_BOUNDS[lever]) for lever, v in rounded.items()}
