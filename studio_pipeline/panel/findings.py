"""What validation finds in single cells: collected while it goes on, told as a table at the end."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.panel.arrays import BoolArray, IntArray

FINDING_COLUMNS: tuple[str, ...] = ("file", "line", "studio_id", "month_year", "column", "value", "reason")


class Findings:
    """Rows of a raw table with a column and a reason each; a row may have several."""

    def __init__(self, n_rows: int) -> None:
        self.rows: list[IntArray] = []
        self.columns: list[str] = []
        self.reasons: list[str] = []
        self.marked: BoolArray = np.zeros(n_rows, dtype=bool)

    def add(self, where: BoolArray, column: str, reason: str) -> None:
        """Say of all rows of a mask (N,) what is wrong with a column."""
        self.add_at(np.flatnonzero(where), column, reason)

    def add_at(self, rows: IntArray, column: str, reason: str) -> None:
        """Say of rows what is wrong with a column."""
        if len(rows):
            self.rows.append(rows)
            self.columns.append(column)
            self.reasons.append(reason)
            self.marked[rows] = True

    def add_each(self, rows: IntArray, column: str, reasons: list[str]) -> None:
        """Say of single rows what is wrong with a column, each in its own words."""
        for row, reason in zip(rows, reasons, strict=True):
            self.rows.append(np.array([row]))
            self.columns.append(column)
            self.reasons.append(reason)
            self.marked[row] = True

    def marked_in(self, column: str) -> BoolArray:
        """(N,) whether something was found in this column of a row."""
        marked: BoolArray = np.zeros(len(self.marked), dtype=bool)
        for rows, found_in in zip(self.rows, self.columns, strict=True):
            if found_in == column:
                marked[rows] = True
        return marked

    def table(self, raw: pd.DataFrame, keys: pd.DataFrame, among: BoolArray) -> pd.DataFrame:
        """`FINDING_COLUMNS` of the findings in the rows of a mask (N,), by file, line and column.

        Args:
            raw: the raw table.
            keys: (N,) studio_id and month_year as they were read.
            among: (N,) rows to tell of.
        """
        lengths = [len(rows) for rows in self.rows]
        rows = np.concatenate([*self.rows, np.array([], dtype=np.int64)]).astype(np.int64)
        found = pd.DataFrame(
            {"row": rows, "column": np.repeat(np.array(self.columns, dtype=object), lengths)}
        )
        found["reason"] = np.repeat(np.array(self.reasons, dtype=object), lengths)
        found = found[among[rows]]
        rows = found["row"].to_numpy()
        found["file"] = raw["file"].astype(object).to_numpy()[rows]
        found["line"] = raw["line"].to_numpy(dtype=np.int64)[rows]
        found["studio_id"] = keys["studio_id"].to_numpy(dtype=object)[rows]
        found["month_year"] = keys["month_year"].to_numpy()[rows]
        found["value"] = _values_as_they_stood(raw, found)
        found = found.sort_values(["file", "line", "column", "reason"], kind="stable", ignore_index=True)
        return found[list(FINDING_COLUMNS)]


def _values_as_they_stood(raw: pd.DataFrame, found: pd.DataFrame) -> pd.Series:
    values = pd.Series(None, index=found.index, dtype=object)
    for column, rows in found.groupby("column")["row"]:
        texts = raw[column].take(rows.to_numpy())
        values[rows.index] = [None if pd.isna(text) else str(text) for text in texts]
    return values
