"""The truth about a what-if: what a fleet would earn on average if levers were held from a month on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from studio_pipeline.errors import InputError
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.dynamics import advance
from studio_pipeline.panel.generator.months import hold_stock, simulate
from studio_pipeline.panel.generator.options import HELD_BOUNDS, GeneratorOptions, month_number
from studio_pipeline.panel.generator.randomness import MarketNoise, StudioNoise, future_noise
from studio_pipeline.panel.generator.state import HeldLevers

Intervention = Mapping[str, ArrayLike]
"""Levers held: name to one value, or to one a studio, (S,), NaN where that studio's stays free."""


def expected_months(
    options: GeneratorOptions, base_month: str, months_ahead: int, held: Intervention, draws: int = 200
) -> pd.DataFrame:
    """The mean and the range of what follows `base_month` over many possible futures.

    Every future starts from the true state at the end of `base_month`; the market, the studios' luck and
    their owners' decisions are drawn anew, the same futures whatever is held, so that differences between two
    calls are the effects of the levers. The common shock's course is known in advance.

    Args:
        options: of the fleet; levers they hold stay held.
        base_month: the last month that is known, YYYY-MM, one of the options' months.
        months_ahead: 1 or more.
        held: levers held over all months ahead; `current_member_count` is the stock that they start from.
        draws: number of futures, 1 or more.

    Returns:
        One row a horizon and studio: studio_id, horizon (from 1), revenue_mean, members_mean, revenue_p05,
        revenue_p95.

    Raises:
        InputError: the base month is not one of the options', or there is no such lever.
    """
    return expected_interventions(options, base_month, months_ahead, [held], draws)[0]


def expected_interventions(
    options: GeneratorOptions,
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
    market, noise = future_noise(options.seed, n_months, (months_ahead, draws, options.studios))
    answers = []
    for intervention in interventions:
        held = _levers({**options.held, **intervention}, options.studios)
        state = hold_stock(simulation.state, held)
        revenue = np.empty((months_ahead, draws, options.studios))
        members = np.empty_like(revenue)
        for ahead in range(months_ahead):
            drawn = StudioNoise(*noise[ahead]), MarketNoise(*market[ahead])
            state, books = advance(simulation.world, state, n_months + ahead, drawn, held)
            revenue[ahead], members[ahead] = books.total_revenue, books.total_members
        answers.append(_frame(simulation.world.fleet.studio_ids, revenue, members))
    return answers


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
