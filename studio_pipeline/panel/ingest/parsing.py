"""Parsing of text to numbers and months, a whole column at a time.

Formats come from a file's map (`column_maps`); the parsed values are checked in `validation.typed_months`.
"""

from __future__ import annotations

import re
from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from studio_pipeline.panel.arrays import BoolArray, FloatArray

MonthArray = NDArray[np.datetime64]
TextArray = NDArray[np.object_]

MISSING_TEXTS = ("", "na", "n/a", "nan", "null", "none", "<na>", "-")
_PLAIN_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITY = r"^[+-]?(inf|infinity)$"
_TIME_OF_DAY = r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)? ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)?"
_ISO_MONTH = re.compile(rf"^(\d{{4}})-(\d{{1,2}})(?:-(\d{{1,2}})(?:{_TIME_OF_DAY})?)?$")


def arrow_text(values: pd.Series) -> pa.Array:
    """A column as Arrow text, trimmed; null where it is null."""
    array = pa.array(values, from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return pc.utf8_trim_whitespace(array.cast(pa.string()))


def parse_text(values: pd.Series) -> TextArray:
    """(N,) trimmed text, None where it is empty or missing."""
    text = arrow_text(values)
    filled = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    return np.asarray(filled.to_numpy(zero_copy_only=False))


def parse_numbers(text: pa.Array, decimal: str = ".", thousands: str = "") -> tuple[FloatArray, BoolArray]:
    """Parse a column of trimmed text to numbers; `thousands` separates groups of three digits, "" for none.

    Returns:
        (N,) float64, NaN for missing and invalid text, infinite for "inf"; and (N,) True for invalid text.
    """
    missing = pc.is_in(pc.utf8_lower(text), pa.array([*MISSING_TEXTS, None], pa.string()))
    text = pc.if_else(missing, pa.scalar(None, pa.string()), text)
    if decimal == "." and not thousands:
        try:
            values = text.cast(pa.float64()).to_numpy(zero_copy_only=False)
            return values, np.zeros(len(text), dtype=bool)
        except pa.ArrowInvalid:
            pass
    plain = _plain_form(text, decimal, thousands)
    good = pc.match_substring_regex(plain, _PLAIN_NUMBER)
    infinite = pc.match_substring_regex(plain, _INFINITY, ignore_case=True)
    readable = pc.fill_null(pc.or_(good, infinite), False)
    values = pc.if_else(readable, plain, pa.scalar(None, pa.string())).cast(pa.float64())
    faulty = pc.and_(pc.is_valid(text), pc.invert(readable))
    return values.to_numpy(zero_copy_only=False), faulty.to_numpy(zero_copy_only=False)


def _plain_form(text: pa.Array, decimal: str, thousands: str) -> pa.Array:
    """The text with a point as decimal mark and without thousands separators."""
    if thousands:
        space = thousands == " "
        mark = "[ \u00a0\u202f]" if space else re.escape(thousands)
        grouped = rf"^[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+({re.escape(decimal)}[0-9]*)?$"
        stripped = pc.replace_substring_regex(text, mark, "")
        text = pc.if_else(pc.match_substring_regex(text, grouped), stripped, text)
    if decimal == ".":
        return text
    foreign = pc.match_substring(text, ".")
    return pc.if_else(foreign, "not a number", pc.replace_substring(text, decimal, "."))


def parse_months(text: pa.Array, month_format: str | None = None) -> MonthArray:
    """(N,) datetime64[M] of ISO dates, YYYY-MM, or a strptime format; NaT where the text is not a month."""
    encoded = text.dictionary_encode()
    months = [_parse_month(value, month_format) for value in encoded.dictionary.to_pylist()]
    known = np.array([*months, "NaT"], dtype="datetime64[M]")
    return np.asarray(known[pc.fill_null(encoded.indices, len(months)).to_numpy(zero_copy_only=False)])


def _parse_month(text: str | None, month_format: str | None) -> str:
    if not text:
        return "NaT"
    try:
        day = _date_of(text, month_format)
    except ValueError:
        return "NaT"
    # Beyond these years nanosecond timestamps of pandas overflow.
    return f"{day.year:04d}-{day.month:02d}" if 1700 <= day.year <= 2200 else "NaT"


def _date_of(text: str, month_format: str | None) -> date:
    """Parse a date; ValueError where the text has another format or is no date (a 13th month)."""
    if month_format is not None:
        # Only the date is used, so no time zone applies.
        return datetime.strptime(text, month_format).date()  # noqa: DTZ007
    match = _ISO_MONTH.match(text)
    if match is None:
        raise ValueError(text)
    year, month, day = match.groups()
    return date(int(year), int(month), int(day or 1))


def names_a_month(month_format: str) -> bool:
    """Check whether a strptime format is valid and gives month and year."""
    day = datetime(2023, 11, 1)  # noqa: DTZ001
    try:
        return _date_of(day.strftime(month_format), month_format).replace(day=1) == day.date()
    except ValueError:
        return False
