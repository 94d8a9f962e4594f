"""Several rows for one studio and month: a fault inside a file, a correction across files."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.panel.arrays import BoolArray
from studio_pipeline.panel.column_maps import OUR_COLUMNS
from studio_pipeline.panel.columns import KEYS
from studio_pipeline.panel.findings import Findings


def check_duplicates(raw: pd.DataFrame, frame: pd.DataFrame, among: BoolArray, rejected: Findings) -> None:
    """Reject what a file says twice.

    Repeats of a row with the same values are rejected but for the first; where the values differ, none of
    the rows can be trusted.
    """
    readable = among & frame["studio_id"].notna().to_numpy() & frame["month_year"].notna().to_numpy()
    keys = [*KEYS, "file_order"]
    with_files = frame[list(KEYS)].assign(file_order=raw["file_order"].to_numpy())[readable]
    twice = with_files[with_files.duplicated(keys, keep=False)]
    if not len(twice):
        return
    texts = (
        raw.loc[twice.index, list(OUR_COLUMNS)]
        .astype(object)
        .fillna("")
        .assign(file_order=twice["file_order"])
    )
    texts = texts.assign(**{key: twice[key] for key in KEYS}, row=twice.index)
    lines = raw.loc[twice.index, "line"]
    groups = texts.groupby(keys, sort=False)["row"]
    # Rows that say the same have the first such row in common.
    same_as = texts.groupby([*OUR_COLUMNS, "file_order"], sort=False)["row"].transform("min")
    first = groups.transform("min")
    alike = (same_as == first).groupby([texts[key] for key in keys], sort=False).transform("all")
    all_lines = lines.astype(str).groupby([texts[key] for key in keys], sort=False).transform(", ".join)
    repeats, conflicts = texts.index[alike & (texts["row"] != first)], texts.index[~alike]
    told = [f"repeats line {line}, which counts" for line in lines.loc[first.loc[repeats]]]
    rejected.add_each(repeats.to_numpy(), "month_year", told)
    told = [
        f"the file has different rows for this month, in lines {at}: keep one"
        for at in all_lines.loc[conflicts]
    ]
    rejected.add_each(conflicts.to_numpy(), "month_year", told)


def latest_rows(raw: pd.DataFrame, frame: pd.DataFrame, valid: BoolArray) -> BoolArray:
    """(N,) the valid row of each studio and month that stands in the latest file."""
    orders = frame.loc[valid, list(KEYS)].assign(file_order=raw["file_order"].to_numpy()[valid])
    latest = orders.sort_values("file_order", kind="stable").drop_duplicates(list(KEYS), keep="last")
    kept: BoolArray = np.zeros(len(raw), dtype=bool)
    kept[latest.index] = True
    return kept
