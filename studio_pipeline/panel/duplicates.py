"""Several rows for one studio and month: a fault inside a file, a correction across files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from studio_pipeline.panel.arrays import BoolArray, IntArray
from studio_pipeline.panel.column_maps import OUR_COLUMNS
from studio_pipeline.panel.columns import KEYS
from studio_pipeline.panel.findings import Findings
from studio_pipeline.panel.parsing import arrow_text


def check_duplicates(raw: pd.DataFrame, frame: pd.DataFrame, among: BoolArray, rejected: Findings) -> None:
    """Reject what a file says twice.

    Repeats of a row with the same values are rejected but for the first; where the values differ, none of
    the rows can be trusted.
    """
    readable = among & frame["studio_id"].notna().to_numpy() & frame["month_year"].notna().to_numpy()
    keys = frame[list(KEYS)].assign(file=raw["file_order"].to_numpy(), line=raw["line"].to_numpy())[readable]
    twice = keys[keys.duplicated([*KEYS, "file"], keep=False)]
    if not len(twice):
        return
    said = _said(raw, twice)
    groups = twice.assign(said=said).groupby([*KEYS, "file"], sort=False)
    first_line, alike = groups["line"].transform("min"), groups["said"].transform("nunique") == 1
    lines = twice["line"].astype(str).groupby([twice[key] for key in (*KEYS, "file")]).transform(", ".join)
    repeats = np.flatnonzero(alike & (twice["line"] != first_line))
    told = [f"repeats line {line}, which counts" for line in first_line.to_numpy()[repeats]]
    rejected.add_each(twice.index.to_numpy()[repeats], "month_year", told)
    conflicts = np.flatnonzero(~alike)
    told = [
        f"the file has different rows for this month, in lines {at}: keep one"
        for at in lines.to_numpy()[conflicts]
    ]
    rejected.add_each(twice.index.to_numpy()[conflicts], "month_year", told)


def _said(raw: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """What a row says about its studio's month, as one text."""
    texts = [arrow_text(raw.loc[rows.index, name]) for name in OUR_COLUMNS if name not in KEYS]
    joined = pc.binary_join_element_wise(*(pc.fill_null(text, "") for text in texts), "\x1f")
    return pd.Series(joined.to_numpy(zero_copy_only=False), index=rows.index)


def latest_rows(raw: pd.DataFrame, frame: pd.DataFrame, valid: BoolArray) -> BoolArray:
    """(N,) the valid row of each studio and month that stands in the latest file."""
    orders = frame.loc[valid, list(KEYS)].assign(file_order=raw["file_order"].to_numpy()[valid])
    latest = orders.sort_values("file_order", kind="stable").drop_duplicates(list(KEYS), keep="last")
    kept: BoolArray = np.zeros(len(raw), dtype=bool)
    kept[latest.index] = True
    return kept


def earlier_rows(frame: pd.DataFrame, file_order: IntArray) -> IntArray:
    """(N,) the place of the row of that studio and month in the latest file before; -1 where none is.

    Args:
        frame: rows with at most one a studio, month and file.
        file_order: (N,) the place of each row's file.
    """
    earlier = np.full(len(frame), -1, dtype=np.int64)
    keys = frame[list(KEYS)].assign(file=file_order, place=np.arange(len(frame)))
    again = keys[keys.duplicated(list(KEYS), keep=False)].sort_values([*KEYS, "file"], kind="stable")
    before = again.groupby(list(KEYS), sort=False)["place"].shift(fill_value=-1)
    earlier[again["place"].to_numpy()] = before.to_numpy()
    return earlier
