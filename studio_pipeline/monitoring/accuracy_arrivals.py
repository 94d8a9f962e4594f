"""The months that have arrived: what forecasts are judged by, and since when each of them was known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel
from studio_pipeline.panel.frames import panel_from_frame


@dataclass(frozen=True)
class Arrivals:
    """A panel, and when each of its months arrived.

    Attributes:
        panel: S studios over T months.
        first_seen: (S, T) datetime64[ns], UTC; NaT where the month is not there.
    """

    panel: StudioPanel
    first_seen: NDArray[np.datetime64]

    def places(self, rows: pd.DataFrame) -> tuple[IntArray, IntArray]:
        """(N,) row and column of each forecast's month in the panel; -1, -1 where it is not there (yet)."""
        names = pd.Index(self.panel.studio_ids.astype(object))
        studios = names.get_indexer(pd.Index(rows["studio_id"]))
        bases = rows["base_month"].to_numpy().astype("datetime64[M]")
        first = self.panel.first_month.astype("datetime64[M]")
        columns = (bases - first).astype(np.int64) + rows["horizon"].to_numpy(np.int64)
        inside = (studios >= 0) & (columns >= 0) & (columns < self.panel.n_months)
        known = np.zeros(len(rows), dtype=bool)
        known[inside] = self.panel.known[studios[inside], columns[inside]]
        return np.where(known, studios, -1), np.where(known, columns, -1)

    def foreseen(self, rows: pd.DataFrame) -> BoolArray:
        """(N,) whether each forecast was made before its month arrived; true where it has not arrived yet."""
        studios, columns = self.places(rows)
        seen = self.first_seen[studios, columns]
        return np.asarray((studios < 0) | np.isnat(seen) | (rows["made_at"].to_numpy() < seen))

    def actual(self, rows: pd.DataFrame) -> FloatArray:
        """(N,) revenue of each forecast's month, currency; NaN where it has not arrived yet."""
        studios, columns = self.places(rows)
        revenue = self.panel.values["total_revenue"][studios, columns]
        return np.where(studios >= 0, revenue, np.nan)


def arrivals_of(months: pd.DataFrame) -> Arrivals:
    """From validated months: columns of the contract, and `first_seen`.

    Raises:
        NoUsableDataError: the table has no rows.
    """
    panel = panel_from_frame(months)
    first_seen = np.full((panel.n_studios, panel.n_months), np.datetime64("NaT", "ns"))
    rows = pd.Index(panel.studio_ids.astype(object)).get_indexer(pd.Index(months["studio_id"].astype(str)))
    of_month = months["month_year"].to_numpy().astype("datetime64[M]")
    columns = (of_month - panel.first_month.astype("datetime64[M]")).astype(np.int64)
    first_seen[rows, columns] = months["first_seen"].to_numpy().astype("datetime64[ns]")
    return Arrivals(panel, first_seen)
