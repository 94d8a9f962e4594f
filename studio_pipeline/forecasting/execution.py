"""How much a projection moves when given levers are carried out a little more or less than asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.flow_terms import FlowTerms
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.stock_and_flow import simulate_terms
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.columns import LEVER_COLUMNS, RATE_COLUMNS

LARGEST_UNCERTAINTY = 0.5


def execution_effects(
    terms: FlowTerms, levers: Mapping[str, FloatArray], uncertainty: FloatArray
) -> FloatArray:
    """(J, N, H) effect of carrying out each of J given levers one deviation off, as a share of revenue.

    A deviation is `uncertainty` times an amount, and of a rate r `uncertainty` times r (1 - r), the same
    share of its odds: a rate stays a rate, and of a retention of 93 % the 7 % that leave are uncertain. A
    lever is off in the same way in all months, and levers are off independently of one another. The starting
    count of members is known and not carried out.
    The effect is the quadratic mean of those of a deviation more and one less: near the best price both lose.

    Args:
        terms: of N projections over H months.
        levers: lever to (N, H) given values, NaN where free.
        uncertainty: (N,) relative deviation, 0 to 0.5.
    """
    names = [name for name in HELD_LEVERS if name in levers]
    n, horizon_months = terms.stacked.shape[0], terms.stacked.shape[2]
    if not names:
        return np.zeros((0, n, horizon_months))
    copies = 2 * len(names) + 1
    tiled = {name: np.tile(path, (copies, 1, 1)) for name, path in levers.items()}
    for place, name in enumerate(names):
        path = levers[name]
        is_rate = LEVER_COLUMNS[name] in RATE_COLUMNS
        step = uncertainty[:, None] * path * ((1 - path) if is_rate else 1.0)
        tiled[name][place] += step
        tiled[name][len(names) + place] -= step
    repeated = terms.take(np.tile(np.arange(n), copies))
    flat = {name: path.reshape(copies * n, horizon_months) for name, path in tiled.items()}
    revenue = simulate_terms(repeated, flat).revenue.reshape(copies, n, horizon_months)
    more, less, usual = revenue[: len(names)], revenue[len(names) : -1], revenue[-1]
    size = np.sqrt(((more - usual) ** 2 + (less - usual) ** 2) / 2)
    return np.asarray(
        np.copysign(np.divide(size, usual, out=np.zeros_like(more), where=usual > 0), more - less)
    )
