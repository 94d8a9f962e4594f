"""Generated months as a data frame, and the true effects of interventions on a fleet.

True effects are means over many simulated futures of the known process; `evaluation.levers.true_effects`
compares predictions with them. `ingest.landing.raw_from_numbers` turns the generated months into raw rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

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
from studio_pipeline.panel.generator.state import (
    MONTH_COLUMNS,
    HeldLevers,
    MarketNoise,
    Month,
    State,
    StudioNoise,
    World,
    build_world,
    future_noise,
    held_or,
    market_noise,
    opening_state,
    studio_noise,
)


def generate_months(options: GeneratorConfig) -> pd.DataFrame:
    """Generate the months of a synthetic fleet.

    Returns:
        One row a studio and month, sorted by both, in the contract's columns and order (without
        `other_revenue`): month_year datetime64[ns], counts int64, money in whole cents and rates as float64.
        No value is missing. Revenue adds up to the cent, members to the head; the retention of the first
        month refers to a stock before it that is not shown.
    """
    world, books, _ = _simulate(options, options.months)
    months = options.first_month + np.arange(options.months)
    columns: dict[str, object] = {
        "studio_id": np.repeat(world.fleet.studio_ids.astype(object), options.months),
        "month_year": np.tile(months.astype("datetime64[ns]"), options.studios),
        "studio_type": np.repeat(world.fleet.studio_types.astype(object), options.months),
    }
    for name in MONTH_COLUMNS:
        values = np.stack([getattr(month, name) for month in books], axis=1).ravel()
        columns[name] = values.round(6) if name in RATE_COLUMNS else values
        if name in COUNT_COLUMNS:
            columns[name] = values.astype(np.int64)
    return pd.DataFrame({column.name: columns[column.name] for column in COLUMNS if column.name in columns})


def _simulate(options: GeneratorConfig, n_months: int, n_ahead: int = 0) -> tuple[World, list[Month], State]:
    """The world, its first `n_months` months and its last state; the calendar has `n_ahead` months more."""
    traits, noise = studio_noise(options.seed, options.studios, N_TRAITS, n_months)
    market = market_noise(options.seed, n_months)
    responses = planted_responses(options)
    world = build_world(options, build_fleet(options, responses, traits), responses, n_months + n_ahead)
    held = {lever: np.asarray(value, dtype=np.float64) for lever, value in options.held.items()}
    state, months = _with_held_stock(opening_state(world.fleet), held), []
    for month in range(n_months):
        own_and_common = StudioNoise(*noise[month]), MarketNoise(*market[month])
        state, books = advance(world, state, month, own_and_common, held)
        months.append(books)
    return world, months, state


def _with_held_stock(state: State, held: HeldLevers) -> State:
    return replace(state, members=held_or(held, "current_member_count", state.members))


Intervention = Mapping[str, ArrayLike]
"""Levers held: name to one value, or to one per studio, (S,), NaN where that studio's stays free."""


def expected_interventions(
    options: GeneratorConfig,
    base_month: str,
    months_ahead: int,
    interventions: Sequence[Intervention],
    draws: int = 200,
) -> list[pd.DataFrame]:
    """Mean and range of the months after `base_month` over many possible futures, a table an intervention.

    Every future starts from the true state at the end of `base_month`. The market, the studios' noise and
    their owners' decisions are drawn anew, with the same draws for every intervention (common random
    numbers), so that differences between two tables are the effects of the levers. The course of the common
    shock is fixed.

    Args:
        options: of the fleet; levers held there stay held.
        base_month: the last known month, YYYY-MM; an InputError if it is not one of the fleet's.
        interventions: held over all months ahead; `current_member_count` is the stock at their start.

    Returns:
        One row per horizon (from 1) and studio: revenue_mean, members_mean, revenue_p05, revenue_p95.
    """
    n_months = month_number(base_month) - options.first_month_number + 1
    if not 1 <= n_months <= options.months:
        what = f"{base_month} is not one of the {options.months} months up to {options.last_month}."
        raise InputError(what, "Choose a base month among them.")
    world, _, last = _simulate(options, n_months, months_ahead)
    tables = []
    for intervention in interventions:
        held: HeldLevers = {
            lever: np.broadcast_to(np.asarray(value, dtype=np.float64), (options.studios,))
            for lever, value in {**options.held, **intervention}.items()
        }
        if unknown := [lever for lever in held if lever not in HELD_BOUNDS]:
            raise InputError(f"There is no lever {unknown[0]!r}.", f"Use one of {', '.join(HELD_BOUNDS)}.")
        futures = future_noise(options.seed, n_months, draws, options.studios)
        revenue, members = _futures(
            world, _with_held_stock(last, held), n_months, islice(futures, months_ahead), held
        )
        low, high = np.quantile(revenue, [0.05, 0.95], axis=1)
        figures = {
            "studio_id": np.tile(world.fleet.studio_ids.astype(object), months_ahead),
            "horizon": np.repeat(np.arange(1, months_ahead + 1), options.studios),
            "revenue_mean": revenue.mean(axis=1).ravel(),
            "members_mean": members.mean(axis=1).ravel(),
            "revenue_p05": low.ravel(),
            "revenue_p95": high.ravel(),
        }
        tables.append(pd.DataFrame(figures))
    return tables


def _futures(
    world: World,
    state: State,
    first: int,
    noises: Iterable[tuple[StudioNoise, MarketNoise]],
    held: HeldLevers,
) -> tuple[FloatArray, FloatArray]:
    """(H, D, S) revenue and members of the months from `first` on, one for each noise."""
    months = []
    for month, noise in enumerate(noises, start=first):
        state, books = advance(world, state, month, noise, held)
        months.append((books.total_revenue, books.total_members))
    revenue, members = zip(*months, strict=True)
    return np.stack(revenue), np.stack(members)


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
    """Intervention to its held lever: moved slightly from its present values `now`, (S,), all others free."""
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
