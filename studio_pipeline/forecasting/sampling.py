"""Samples of studios that know neither the studios' names nor the order they come in."""

from __future__ import annotations

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, IntArray, StudioPanel


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
