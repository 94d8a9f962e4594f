"""Given levers: actual values after an origin, random masks for training, and the months of a query's levers.

Bounds of the values are in `bounds`, features made of them in `features.lever_features`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from studio_pipeline.forecasting.base.bounds import START_LEVER
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins, months_after
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

HELD_LEVERS: tuple[str, ...] = tuple(name for name in LEVER_COLUMNS if name != START_LEVER)
"""Levers that are held over the projected months; the member count is a starting point."""


def known_levers(panel: StudioPanel, origins: Origins) -> dict[str, FloatArray]:
    """Lever to its (N, 12) actual values after N origins; NaN where they are not known (yet)."""
    return {lever: months_after(panel, LEVER_COLUMNS[lever], origins) for lever in HELD_LEVERS}


def drawn_masks(n_origins: int, rng: np.random.Generator) -> BoolArray:
    """(N, L) random masks of given `HELD_LEVERS`: none in a quarter of the rows, all in a quarter, else each
    with probability 0.5.
    """
    kind = rng.integers(0, 4, n_origins)[:, None]
    some = rng.random((n_origins, len(HELD_LEVERS))) < 0.5
    return np.where(kind == 0, False, np.where(kind == 1, True, some))


def given_levers(levers: Mapping[str, FloatArray], given: BoolArray) -> dict[str, FloatArray]:
    """Lever to its (N, H) path where the (N, L) mask `given` is set, NaN elsewhere."""
    return {lever: np.where(given[:, k, None], levers[lever], np.nan) for k, lever in enumerate(HELD_LEVERS)}


MOST_SETS = 1024
"""Size of the caches by set of given levers: the 128 sets of held levers, and recently used plans."""

FirstMonths = tuple[tuple[str, int], ...]
"""Given levers sorted by name, each with the index of the month from which it is given; 0 is the first
projected month.
"""


@dataclass(frozen=True)
class GivenMonths:
    """The months in which levers are given."""

    given: Mapping[str, BoolArray]  # lever to (..., H) flags of the months in which it is given; not empty
    begun: BoolArray  # (..., H) flags of the months in or before which any lever is given
    always: frozenset[str]  # the levers that are given in every month


def given_months(levers: Mapping[str, FloatArray]) -> GivenMonths:
    """Months of (..., H) paths of at least one lever, NaN where free."""
    given = {name: np.isfinite(path) for name, path in levers.items()}
    any_given = np.logical_or.reduce(list(given.values()))
    always = frozenset(name for name, months in given.items() if months.all())
    return GivenMonths(given, np.logical_or.accumulate(any_given, axis=-1), always)


def first_months(query: ForwardQuery) -> FirstMonths:
    """First month of each of a query's levers; a lever of a plan stays given to the end."""
    first = dict.fromkeys(query.levers, 0)
    for step in query.lever_plan:
        for name in step.levers:
            first[name] = min(first.get(name, step.from_month - 1), step.from_month - 1)
    return tuple(sorted(first.items()))


@lru_cache(MOST_SETS)
def months_from(first: FirstMonths) -> GivenMonths:
    """`GivenMonths` of one query, (12,) each; cached."""
    return given_months(marked_paths(first))


def marked_paths(first: FirstMonths) -> dict[str, FloatArray]:
    """Lever to (12,), 1 where it is given and NaN where it is free."""
    months = np.arange(MAX_HORIZON_MONTHS)
    return {name: np.where(months >= place, 1.0, np.nan) for name, place in first}
