"""The raw table: our columns as text, with where each row stood and in which form its values are written."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from studio_pipeline.panel.column_maps import OUR_COLUMNS
from studio_pipeline.panel.parsing import MonthArray, arrow_text, parse_months

TEXT = pd.StringDtype("pyarrow")
FORM_COLUMNS = ("month_format", "decimal", "thousands")
RAW_TEXT_COLUMNS: tuple[str, ...] = (*OUR_COLUMNS, "malformed_row", "file", *FORM_COLUMNS)
RAW_COLUMNS: tuple[str, ...] = (*RAW_TEXT_COLUMNS, "line", "file_order", "first_seen")


def months_of(frame: pd.DataFrame) -> MonthArray:
    """(N,) datetime64[M] of raw rows, each read in its own file's form; NaT where it is no month."""
    months = np.full(len(frame), "NaT", dtype="datetime64[M]")
    text = arrow_text(frame["month_year"])
    codes, formats = pd.factorize(frame["month_format"], use_na_sentinel=False)
    for code, month_format in enumerate(formats):
        rows = codes == code
        months[rows] = parse_months(
            text.filter(pa.array(rows)), None if pd.isna(month_format) else str(month_format)
        )
    return months


def naive_utc(moment: datetime) -> datetime:
    """A moment in UTC, without its offset; a moment without offset is taken as UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
