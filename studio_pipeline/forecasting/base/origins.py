"""Forecast origins (studio, base month), and reproducible samples of studios and origins.

Samples depend only on the studios' revenue, not on their names or row order. Splits of origins into backtest
folds are in `backtest.out_of_fold`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel
from studio_pipeline.panel.closures import closed_months


@dataclass(frozen=True)
class Origins:
    """N forecast origins."""

    rows: IntArray  # (N,) studio rows
    columns: IntArray  # (N,) month columns of the base months

    def __len__(self) -> int:
        """Number of origins, N."""
        return len(self.rows)

    def take(self, places: IntArray) -> Origins:
        """Subset of the origins by index."""
        return Origins(self.rows[places], self.columns[places])


def months_after(panel: StudioPanel, column: str, origins: Origins) -> FloatArray:
    """(N, 12) values of a column after N origins; NaN where they are not known (yet)."""
    return months_at(panel.values[column], origins, np.arange(1, MAX_HORIZON_MONTHS + 1))


def months_at(values: FloatArray, origins: Origins, ahead: IntArray) -> FloatArray:
    """(N, K) of (S, T) values, K numbers of months after N origins (below 0: before); NaN outside of T."""
    columns, last = origins.columns[:, None] + ahead, values.shape[1] - 1
    inside = values[origins.rows[:, None], np.clip(columns, 0, last)]
    return np.where((columns >= 0) & (columns <= last), inside, np.nan)


def origins_between(panel: StudioPanel, first: int, last: int, studios: IntArray | None = None) -> Origins:
    """All (studio, month) with known revenue, the studio not closed and the month in first..last, ordered by
    month, then studio.
    """
    rows = np.arange(panel.n_studios) if studios is None else studios
    months = np.arange(max(first, 0), last + 1)
    trading = (panel.known & ~closed_months(panel))[np.ix_(rows, months)]
    columns, chosen = np.nonzero(trading.T)
    return Origins(rows[chosen].astype(np.int64), months[columns].astype(np.int64))


def canonical_order(panel: StudioPanel) -> IntArray:
    """(S,) rows of the studios sorted by revenue, first month first; an unknown month sorts before any known.

    The order doesn't depend on names, row order or currency; later months only break ties of earlier ones.
    """
    revenue = np.where(panel.known, panel.values["total_revenue"], -1.0)
    return np.asarray(np.lexsort(revenue.T[::-1]), dtype=np.int64)


def evenly_spaced_studios(panel: StudioPanel, most: int, eligible: BoolArray | None = None) -> IntArray:
    """Rows, ascending, of at most `most` studios, evenly spaced in the canonical order. `eligible`: (S,) mask
    of the studios to choose from; all of them if not given.
    """
    order = canonical_order(panel)
    if eligible is not None:
        order = order[eligible[order]]
    if len(order) > most:
        order = order[np.linspace(0, len(order) - 1, most).astype(np.int64)]
    return np.sort(order)


def evenly_spaced_origins(columns: IntArray, sizes: Sequence[FloatArray], most: int) -> BoolArray:
    """(N,) mask of a sample of origins: of each month at most `most`, evenly spaced by size. `sizes`: sort
    keys of the origins of one month, (N,) each; later ones break ties of earlier ones.
    """
    order = np.lexsort([*reversed(sizes), columns])
    _, month, count = np.unique(columns[order], return_inverse=True, return_counts=True)
    place = np.arange(len(order)) - (np.cumsum(count) - count)[month]
    share = np.minimum(most / count, 1.0)[month]
    taken = np.zeros(len(order), dtype=bool)
    # Offset by half a step, so that the sample is as far from the smallest as from the largest.
    taken[order] = np.floor((place + 1) * share + 0.5) > np.floor(place * share + 0.5)
    return taken
