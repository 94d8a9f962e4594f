"""CSV files as tables of text with the line of every row, and the columns of the raw table.

Parses with Arrow, and with the standard library where quoting is irregular, so that malformed rows keep their
line numbers. Parquet files and column maps are in `source_files`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from studio_pipeline.errors import UnreadableFileError
from studio_pipeline.panel.arrays import BoolArray, IntArray
from studio_pipeline.panel.ingest.column_maps import OUR_COLUMNS
from studio_pipeline.panel.ingest.parsing import MonthArray, arrow_text, parse_months


@dataclass(frozen=True)
class TextTable:
    """A file as text."""

    table: pa.Table  # every column as text, under the file's own names
    lines: IntArray  # (N,) line in which each row starts; for Parquet its number, from 1
    malformed: tuple[tuple[int, str], ...] = ()  # line and text of rows that do not fit the header
    typed: frozenset[str] = frozenset()  # numeric and date columns, to which no number format applies


_DELIMITERS = (",", ";", "\t", "|")
_BLOCK_BYTES = 1 << 25
_LINE_FEED, _CARRIAGE_RETURN, _QUOTE = 10, 13, 34


def read_csv(file: str, data: bytes) -> TextTable:
    """Read CSV without a byte-order mark; UnreadableFileError if not UTF-8, without rows, or not to split."""
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        what = f"{file}, line {line}: holds NUL bytes, so it is half-written or not a text file."
        raise UnreadableFileError(what, "Export it again as CSV (UTF-8) or Parquet.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError(f"{file}, line {line}: is not UTF-8.", "Save it as CSV (UTF-8).") from error
    starts, ends, lines = record_bounds(data)
    header = data[starts[0] : ends[0]].decode("utf-8")
    delimiter = max(_DELIMITERS, key=header.count)
    names = [name.strip() for name in next(csv.reader(io.StringIO(header), delimiter=delimiter))]
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        what = f"{file}, line {lines[0]}: the column {twice[0]!r} is there twice."
        raise UnreadableFileError(what, "Rename or remove one of the two.")
    names = [name or f"column {position}" for position, name in enumerate(names, start=1)]
    if len(starts) == 1:
        raise UnreadableFileError(f"{file}: has a header and no rows.", "Export it again with its rows.")
    body = data[starts[1] :]
    # An odd number of quotes means a stray or unclosed one, which the fast parser doesn't detect.
    found = _parse_fast(names, delimiter, body, lines[1:]) if data.count(b'"') % 2 == 0 else None
    return found or _parse_slow(file, names, delimiter, body.decode("utf-8"), int(lines[1]))


def record_bounds(data: bytes) -> tuple[IntArray, IntArray, IntArray]:
    """Start, end and first line of each record of a CSV file; blank lines are not records.

    A line break inside quotes does not end a record: those that do are preceded by an even number of quotes.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    # A line ends in LF, CR LF, or a lone CR.
    returns = np.flatnonzero(text == _CARRIAGE_RETURN)
    lone = returns[text[np.minimum(returns + 1, len(text) - 1)] != _LINE_FEED]
    breaks = np.union1d(np.flatnonzero(text == _LINE_FEED), lone)
    quotes = np.flatnonzero(text == _QUOTE)
    ends = breaks[np.searchsorted(quotes, breaks) % 2 == 0] if len(quotes) else breaks
    if not len(ends) or ends[-1] != len(text) - 1:
        ends = np.append(ends, len(text))
    starts = np.concatenate([[0], ends[:-1] + 1])
    lines = np.searchsorted(breaks, starts) + 1
    returned = text[np.minimum(starts, len(text) - 1)] == _CARRIAGE_RETURN
    blank = (ends == starts) | ((ends == starts + 1) & returned)
    return starts[~blank], ends[~blank], lines[~blank]


def _parse_fast(names: list[str], delimiter: str, body: bytes, lines: IntArray) -> TextTable | None:
    """Parse with Arrow; None if it finds another number of records than `record_bounds` (stray quotes)."""
    invalid: list[tuple[int, str]] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        invalid.append((row.number, row.text))
        return "skip"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(body),
            read_options=pa.csv.ReadOptions(use_threads=False, column_names=names, block_size=_BLOCK_BYTES),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows + len(invalid) != len(lines):
        return None
    skipped = np.array([number - 1 for number, _ in invalid], dtype=np.int64)
    malformed = tuple((int(lines[number - 1]), text) for number, text in invalid)
    return _without_blank_rows(table, np.delete(lines, skipped), malformed)


def _parse_slow(file: str, names: list[str], delimiter: str, body: str, first_line: int) -> TextTable:
    """Parse with the standard library, for files with stray quotes; the slow equivalent of `_parse_fast`."""
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter)
    rows, lines, malformed, line = [], [], [], first_line
    try:
        for fields in reader:
            if len(fields) == len(names):
                rows.append(fields)
                lines.append(line)
            elif fields:
                malformed.append((line, delimiter.join(fields)))
            last, line = line, first_line + reader.line_num
    except csv.Error as error:
        what = f"{file}, near line {first_line + reader.line_num}: can't be read as CSV ({error})."
        remedy = "Look for a quote that is never closed, or export it again."
        raise UnreadableFileError(what, remedy) from error
    if _ends_in_quotes(file, body, delimiter, last, first_line) and lines and lines[-1] == last:
        lines.pop()
        malformed.append((last, delimiter.join(rows.pop())))
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    table = pa.table([pa.array(column, pa.string()) for column in columns], names=names)
    return _without_blank_rows(table, np.array(lines, dtype=np.int64), tuple(malformed))


def _ends_in_quotes(file: str, body: str, delimiter: str, line: int, first_line: int) -> bool:
    """Check whether the last record opens a quote that is never closed; an error where it spans lines."""
    record = list(io.StringIO(body, newline=""))[line - first_line :]
    try:
        list(csv.reader(record, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" not in str(error):
            return False
        if len(record) > 1:
            what = f"{file}, line {line}: a quote is opened and never closed."
            raise UnreadableFileError(what, "Close the quote, or export the file again.") from error
        return True
    return False


def _without_blank_rows(
    table: pa.Table, lines: IntArray, malformed: tuple[tuple[int, str], ...]
) -> TextTable:
    """Drop rows of separators only, which spreadsheets append."""
    filled: BoolArray = np.zeros(table.num_rows, dtype=bool)
    for column in table.columns:
        if filled.all():
            break
        filled |= pc.not_equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False)
    return TextTable(table.filter(pa.array(filled)), lines[filled], malformed)


TEXT = pd.StringDtype("pyarrow")
FORM_COLUMNS = ("month_format", "decimal", "thousands")
RAW_TEXT_COLUMNS: tuple[str, ...] = (*OUR_COLUMNS, "malformed_row", "file", *FORM_COLUMNS)
RAW_COLUMNS: tuple[str, ...] = (*RAW_TEXT_COLUMNS, "line", "file_order", "first_seen")


def months_of(frame: pd.DataFrame) -> MonthArray:
    """(N,) datetime64[M] of raw rows, each parsed in its own file's format; NaT where it is not a month."""
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
    """Convert a moment to UTC without offset; a moment without offset is taken as UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
