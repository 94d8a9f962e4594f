"""Samples of studios that know neither the studios' names nor the order they come in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel


def canonical_order(panel: StudioPanel) -> IntArray:
    """(S,) rows of the studios by their revenue, the first month first; a month that isn't there comes before
    any.

    The order is the same under other names, in any order of rows and in any currency, and later months only
    break the ties of earlier ones.
    """
    revenue = np.where(panel.known, panel.values["total_revenue"], -1.0)
    return np.asarray(np.lexsort(revenue.T[::-1]), dtype=np.int64)


def evenly_spaced_studios(panel: StudioPanel, most: int, eligible: BoolArray | None = None) -> IntArray:
    """Rows, ascending, of at most `most` studios, evenly spaced in the canonical order.

    Args:
        panel: the months.
        most: number of studios taken, at least 1.
        eligible: (S,) the studios to choose from; all of them if not given.
    """
    order = canonical_order(panel)
    if eligible is not None:
        order = order[eligible[order]]
    if len(order) > most:
        order = order[np.linspace(0, len(order) - 1, most).astype(np.int64)]
    return np.sort(order)


def evenly_spaced_origins(columns: IntArray, sizes: Sequence[FloatArray], most: int) -> BoolArray:
    """(N,) whether an origin is taken: of each month at most `most`, evenly spaced by size.

    Args:
        columns: (N,) month columns of the origins.
        sizes: what origins of one month are ordered by, (N,) each; the later ones break ties of the earlier.
        most: number of origins taken of a month, at least 1.
    """
    order = np.lexsort([*reversed(sizes), columns])
    _, month, count = np.unique(columns[order], return_inverse=True, return_counts=True)
    place = np.arange(len(order)) - (np.cumsum(count) - count)[month]
    share = np.minimum(most / count, 1.0)[month]
    taken = np.zeros(len(order), dtype=bool)
    # Half a place in: as far from the smallest as from the largest.
    taken[order] = np.floor((place + 1) * share + 0.5) > np.floor(place * share + 0.5)
    return taken
