"""Given levers: the months in which they are given, and the values that they took after an origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

HELD_LEVERS: tuple[str, ...] = tuple(name for name in LEVER_COLUMNS if name != "current_member_count")
"""Levers that are held over the projected months; the member count is a starting point."""


def known_levers(panel: StudioPanel, origins: Origins, horizon_months: int) -> dict[str, FloatArray]:
    """Lever to its (N, H) values after N origins; NaN where the month or its value is not known (yet)."""
    steps = origins.columns[:, None] + np.arange(1, horizon_months + 1)
    inside = steps < panel.n_months
    steps = np.minimum(steps, panel.n_months - 1)
    rows = origins.rows[:, None]
    return {
        lever: np.where(inside, panel.values[LEVER_COLUMNS[lever]][rows, steps], np.nan)
        for lever in HELD_LEVERS
    }


def drawn_masks(n_origins: int, rng: np.random.Generator) -> BoolArray:
    """(N, L) which of `HELD_LEVERS` are given: none in a quarter of the rows, all in another, else any."""
    kind = rng.integers(0, 4, n_origins)[:, None]
    some = rng.random((n_origins, len(HELD_LEVERS))) < 0.5
    return np.where(kind == 0, False, np.where(kind == 1, True, some))


def given_levers(levers: Mapping[str, FloatArray], given: BoolArray) -> dict[str, FloatArray]:
    """The paths of the levers that (N, L) `given` marks, NaN elsewhere."""
    return {lever: np.where(given[:, k, None], levers[lever], np.nan) for k, lever in enumerate(HELD_LEVERS)}


MOST_SETS = 1024
"""Sets of given levers that are kept at hand; the 128 sets of held levers, and plans as they are asked."""

FirstMonths = tuple[tuple[str, int], ...]
"""Given levers in the order of their names, each with the place of the month from which it is given, 0 for
the first projected month.
"""


@dataclass(frozen=True)
class GivenMonths:
    """The months in which levers are given.

    Attributes:
        given: lever to (..., H) whether it is given in a month; at least one lever.
        begun: (..., H) whether any lever is given in a month or was before it.
        always: the levers that are given in every month.
    """

    given: Mapping[str, BoolArray]
    begun: BoolArray
    always: frozenset[str]


def given_months(levers: Mapping[str, FloatArray]) -> GivenMonths:
    """Of (..., H) paths of at least one lever, NaN where free."""
    given = {name: np.isfinite(path) for name, path in levers.items()}
    first, *others = given.values()
    any_given = first
    for one in others:
        any_given = any_given | one
    always = frozenset(name for name, months in given.items() if months.all())
    return GivenMonths(given, np.logical_or.accumulate(any_given, axis=-1), always)


def first_months(query: ForwardQuery) -> FirstMonths:
    """Since when a query's levers are given; a lever of a plan stays given to the end."""
    first = dict.fromkeys(query.levers, 0)
    for step in query.lever_plan:
        for name in step.levers:
            first[name] = min(first.get(name, step.from_month - 1), step.from_month - 1)
    return tuple(sorted(first.items()))


@lru_cache(MOST_SETS)
def months_from(first: FirstMonths) -> GivenMonths:
    """The (12,) months of one query."""
    return given_months(marked_paths(first))


def marked_paths(first: FirstMonths) -> dict[str, FloatArray]:
    """Lever to (12,), 1 where it is given and NaN where it is free."""
    months = np.arange(MAX_HORIZON_MONTHS)
    return {name: np.where(months >= place, 1.0, np.nan) for name, place in first}
