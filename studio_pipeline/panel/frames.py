"""Data frames without rows, and conversion of validated months from a data frame to the arrays of a panel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from studio_pipeline.errors import NoUsableDataError
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS


def empty_table(types: Mapping[str, Any]) -> pd.DataFrame:
    """A table without rows, of columns with these types."""
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in types.items()})


def stacked_tables(tables: Iterable[pd.DataFrame], types: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of all tables; a table without rows, of these types, if none has any."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else empty_table(types)


def panel_from_frame(frame: pd.DataFrame) -> StudioPanel:
    """The panel of validated months in any order, unique by studio and month; NoUsableDataError for none.

    A numeric column that the table lacks is all NaN; a studio's type is that of its last month that has one.
    """
    if frame.empty:
        remedy = "Look at rejected_rows for the reasons, or put files into the landing folder."
        raise NoUsableDataError("There is not a single valid month.", remedy)
    studio_ids, rows = np.unique(frame["studio_id"].to_numpy().astype(str), return_inverse=True)
    months = frame["month_year"].to_numpy().astype("datetime64[M]")
    first_month = months.min()
    columns = (months - first_month).astype(np.int64)
    values = {name: np.full((len(studio_ids), int(columns.max()) + 1), np.nan) for name in NUMERIC_COLUMNS}
    for name, grid in values.items():
        if name in frame:
            grid[rows, columns] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    types = np.full(len(studio_ids), "", dtype=object)
    if "studio_type" in frame:
        known = np.flatnonzero(frame["studio_type"].notna().to_numpy())
        by_month = known[np.argsort(months[known], kind="stable")]
        types[rows[by_month]] = frame["studio_type"].to_numpy(dtype=object)[by_month]
    return StudioPanel(studio_ids, types.astype(str), first_month, values)
