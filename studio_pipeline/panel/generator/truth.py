"""True effects of interventions: the expected revenue of a generated fleet with levers held from a month on.

The mean over many simulated futures of the known process, to compare predictions with
(`evaluation.levers.true_effects`). Also holds the partial interventions that are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from studio_pipeline.errors import InputError
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.dynamics import advance
from studio_pipeline.panel.generator.months import Simulation, hold_stock, simulate
from studio_pipeline.panel.generator.options import HELD_BOUNDS, GeneratorConfig, month_number
from studio_pipeline.panel.generator.randomness import future_noise
from studio_pipeline.panel.generator.state import HeldLevers

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
