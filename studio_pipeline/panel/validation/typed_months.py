"""Typed columns from raw text, checks of single cells, and the collection of validation issues (`Findings`).

Comparisons between rows are in `derivation` (duplicates, months before) and `outliers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray
from studio_pipeline.panel.columns import COLUMNS, COUNT_COLUMNS, MAY_BE_NEGATIVE, MONEY_COLUMNS, Kind
from studio_pipeline.panel.ingest.csv_files import months_of
from studio_pipeline.panel.ingest.parsing import arrow_text, parse_numbers, parse_text
from studio_pipeline.panel.validation.limits import ValidationConfig

FINDING_COLUMNS: tuple[str, ...] = ("file", "line", "studio_id", "month_year", "column", "value", "reason")


class Findings:
    """Validation issues of a raw table: row, column and reason; a row may have several."""

    def __init__(self, n_rows: int) -> None:
        self.rows: list[IntArray] = []
        self.columns: list[str] = []
        self.reasons: list[str] = []
        self.marked: BoolArray = np.zeros(n_rows, dtype=bool)

    def add(self, where: BoolArray, column: str, reason: str) -> None:
        """Add an issue with a column to all rows of a mask (N,)."""
        self.add_at(np.flatnonzero(where), column, reason)

    def add_at(self, rows: IntArray, column: str, reason: str) -> None:
        """Add an issue with a column to some rows."""
        if len(rows):
            self.rows.append(rows)
            self.columns.append(column)
            self.reasons.append(reason)
            self.marked[rows] = True

    def add_each(self, rows: IntArray, column: str, reasons: list[str]) -> None:
        """Add an issue with a column to some rows, each with its own reason."""
        for row, reason in zip(rows, reasons, strict=True):
            self.add_at(np.array([row]), column, reason)

    def marked_in(self, column: str) -> BoolArray:
        """(N,) True where a row has an issue with this column."""
        marked: BoolArray = np.zeros(len(self.marked), dtype=bool)
        for rows in (rows for rows, name in zip(self.rows, self.columns, strict=True) if name == column):
            marked[rows] = True
        return marked

    def table(self, raw: pd.DataFrame, keys: pd.DataFrame, among: BoolArray) -> pd.DataFrame:
        """`FINDING_COLUMNS` of the issues in the rows of a mask (N,), by file, line and column.

        `keys` are studio_id and month_year as parsed; all other values are those of the raw table.
        """
        lengths = [len(rows) for rows in self.rows]
        rows = np.concatenate([*self.rows, np.array([], dtype=np.int64)]).astype(np.int64)
        columns = np.repeat(np.array(self.columns, dtype=object), lengths)
        reasons = np.repeat(np.array(self.reasons, dtype=object), lengths)
        found = pd.DataFrame({"row": rows, "column": columns, "reason": reasons})[among[rows]]
        rows = found["row"].to_numpy()
        found["file"] = raw["file"].astype(object).to_numpy()[rows]
        found["line"] = raw["line"].to_numpy(dtype=np.int64)[rows]
        found["studio_id"] = keys["studio_id"].to_numpy(dtype=object)[rows]
        found["month_year"] = keys["month_year"].to_numpy()[rows]
        values = pd.Series(None, index=found.index, dtype=object)
        for column, of_column in found.groupby("column")["row"]:
            texts = raw[column].take(of_column.to_numpy())
            values[of_column.index] = [None if pd.isna(text) else str(text) for text in texts]
        found["value"] = values
        found = found.sort_values(["file", "line", "column", "reason"], kind="stable", ignore_index=True)
        return found[list(FINDING_COLUMNS)]


IN_THE_FUTURE, TOO_EARLY = "lies in the future", "lies before"
_ROUNDING = 1e-9
_A_PERCENTAGE_FROM = 1.5


_Marks = tuple[str, str, BoolArray]
"""A number format: the decimal mark, the thousands separator, and the mask (N,) of its rows."""


def typed_months(raw: pd.DataFrame, rejected: Findings) -> pd.DataFrame:
    """`COLUMNS` with their types, one row per raw row; cells that can't be read are NaN, NaT or None."""
    frame = pd.DataFrame(index=pd.RangeIndex(len(raw)))
    whole = raw["malformed_row"].isna().to_numpy()
    decimal, decimals = pd.factorize(raw["decimal"].fillna("."))
    separator, separators = pd.factorize(raw["thousands"].fillna(""))
    pairs = product(enumerate(decimals), enumerate(separators))
    marks = [(mark, by, (decimal == d) & (separator == s)) for (d, mark), (s, by) in pairs]
    reason = "the row doesn't have as many fields as the header: cut off, or an unquoted separator"
    rejected.add(~whole, "malformed_row", reason)
    for column in COLUMNS:
        if column.kind is Kind.TEXT:
            frame[column.name] = parse_text(raw[column.name])
        elif column.kind is Kind.MONTH:
            frame[column.name] = months_of(raw).astype("datetime64[ns]")
        else:
            frame[column.name] = _numbers(raw[column.name], column.name, marks, rejected)
    _check_required(raw, frame, whole, rejected)
    return frame


def _numbers(cells: pd.Series[str], column: str, marks: Sequence[_Marks], rejected: Findings) -> FloatArray:
    text = arrow_text(cells)
    values = np.full(len(cells), np.nan)
    faulty: BoolArray = np.zeros(len(cells), dtype=bool)
    if text.null_count == len(text):
        return values
    for decimal, thousands, rows in marks:
        if rows.any():
            values[rows], faulty[rows] = parse_numbers(text.filter(pa.array(rows)), decimal, thousands)
    reason = "is not a number in this file's form (decimal mark and thousands stand in the map)"
    rejected.add(faulty, column, reason)
    rejected.add(np.isinf(values), column, "is infinite")
    if column not in MAY_BE_NEGATIVE:
        rejected.add(np.isfinite(values) & (values < 0), column, "is negative")
    return np.where(np.isinf(values), np.nan, values)


def _check_required(raw: pd.DataFrame, frame: pd.DataFrame, whole: BoolArray, rejected: Findings) -> None:
    no_studio = whole & frame["studio_id"].isna().to_numpy()
    rejected.add(no_studio, "studio_id", "is missing: every row needs its studio")
    no_month = whole & frame["month_year"].isna().to_numpy()
    empty = pd.isna(parse_text(raw["month_year"]))
    rejected.add(no_month & empty, "month_year", "is missing: every row needs its month")
    reason = "is not a month: YYYY-MM or YYYY-MM-DD, or name its month_format in the map"
    rejected.add(no_month & ~empty, "month_year", reason)
    no_revenue = whole & frame["total_revenue"].isna().to_numpy() & ~rejected.marked_in("total_revenue")
    rejected.add(no_revenue, "total_revenue", "is missing: every row needs its revenue")


def check_sizes(frame: pd.DataFrame, limits: ValidationConfig, rejected: Findings) -> None:
    """Reject amounts and counts above the limits."""
    for columns, limit in ((MONEY_COLUMNS, limits.largest_money), (COUNT_COLUMNS, limits.largest_count)):
        for column in columns:
            beyond = np.abs(frame[column].to_numpy()) > limit
            rejected.add(beyond, column, f"is beyond any studio's: above {limit:,.0f}")


def check_months(frame: pd.DataFrame, limits: ValidationConfig, today: date, rejected: Findings) -> BoolArray:
    """Reject months in the future or too early; (N,) True where a month is the current one, not over yet."""
    months = frame["month_year"].to_numpy().astype("datetime64[M]")
    this_month = np.datetime64(today, "M")
    rejected.add(months > this_month, "month_year", f"{IN_THE_FUTURE}: today is {today.isoformat()}")
    early = months < np.datetime64(str(limits.earliest_year), "M")
    rejected.add(early, "month_year", f"{TOO_EARLY} {limits.earliest_year}")
    return np.asarray(months == this_month)


def check_rates(
    frame: pd.DataFrame, limits: ValidationConfig, rejected: Findings, warnings: Findings
) -> BoolArray:
    """Reject rates above 1; attendance rates are clipped, or emptied where far above it: (N,) True there."""
    for column in ("retention_rate", "staff_utilization_rate", "upsell_rate"):
        values = frame[column].to_numpy()
        percentage = (values >= _A_PERCENTAGE_FROM) & (values <= 100)
        above = (values > 1 + _ROUNDING) & ~percentage
        rejected.add(percentage, column, "looks like a percentage: write 0.93 for 93 %")
        rejected.add(above, column, "is above 1: a rate lies between 0 and 1")
        frame[column] = np.minimum(values, 1.0)
    rates = frame["class_attendance_rate"].to_numpy()
    far = rates > limits.largest_attendance_rate + _ROUNDING
    percentage = far & (rates >= _A_PERCENTAGE_FROM) & (rates <= 100)
    warnings.add(percentage, "class_attendance_rate", "emptied: looks like a percentage, write 0.93 for 93 %")
    reason = f"emptied: above {limits.largest_attendance_rate:g}"
    warnings.add(far & ~percentage, "class_attendance_rate", reason)
    warnings.add((rates > 1 + _ROUNDING) & ~far, "class_attendance_rate", "kept as 1: standing room")
    frame["class_attendance_rate"] = np.where(far, np.nan, rates)
    return far
