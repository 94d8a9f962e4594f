"""Origins of forecasts: (studio, base month) pairs, from which the months ahead are projected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.panel.arrays import IntArray, StudioPanel
from studio_pipeline.panel.closures import closed_months


@dataclass(frozen=True)
class Origins:
    """N origins of forecasts.

    Attributes:
        rows: (N,) studio rows.
        columns: (N,) month columns of the base months.
    """

    rows: IntArray
    columns: IntArray

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    def take(self, places: IntArray) -> Origins:
        """Some of them."""
        return Origins(self.rows[places], self.columns[places])


def origins_between(panel: StudioPanel, first: int, last: int, studios: IntArray | None = None) -> Origins:
    """All (studio, month) with revenue known, the studio not closed and the month in first..last, ordered by
    month, then studio.
    """
    rows = np.arange(panel.n_studios) if studios is None else studios
    months = np.arange(max(first, 0), last + 1)
    trading = (panel.known & ~closed_months(panel))[np.ix_(rows, months)]
    columns, chosen = np.nonzero(trading.T)
    return Origins(rows[chosen].astype(np.int64), months[columns].astype(np.int64))
