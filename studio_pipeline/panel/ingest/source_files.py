"""One file of the landing folder in the project's columns, all values still text.

Reads CSV (`csv_files`) and Parquet, applies the file's column map (`column_maps`), and keeps file and line of
every row. All files together are one table in `landing`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from studio_pipeline.errors import InputError, UnreadableFileError
from studio_pipeline.panel.arrays import BoolArray
from studio_pipeline.panel.columns import COLUMNS, Column, Kind
from studio_pipeline.panel.ingest.column_maps import (
    NO_MAP,
    OUR_COLUMNS,
    ColumnMap,
    check_against,
    read_column_map,
)
from studio_pipeline.panel.ingest.csv_files import FORM_COLUMNS, TextTable, read_csv

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FOREIGN = {
    b"PK\x03\x04": "an Excel or ZIP file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip file",
    b"\xff\xfe": "a UTF-16 file",
    b"\xfe\xff": "a UTF-16 file",
    b"%PDF": "a PDF file",
}


def read_text_table(file: str, data: bytes) -> TextTable:
    """Read the content of a file as text; UnreadableFileError if it is not whole CSV (UTF-8) or Parquet."""
    if not data.removeprefix(BYTE_ORDER_MARK).strip():
        raise UnreadableFileError(f"{file}: is empty.", "Export it again, or take it out of the folder.")
    if data.startswith(b"PAR1") or file.lower().endswith((".parquet", ".pq")):
        return _read_parquet(file, data)
    for magic, what in _FOREIGN.items():
        if data.startswith(magic):
            raise UnreadableFileError(f"{file}: is {what}.", "Save it as CSV (UTF-8) or Parquet.")
    return read_csv(file, data.removeprefix(BYTE_ORDER_MARK))


def _read_parquet(file: str, data: bytes) -> TextTable:
    try:
        table = pa.parquet.read_table(io.BytesIO(data))
        texts = {name: _column_as_text(table[name]) for name in table.column_names}
    except (pa.ArrowException, OSError) as error:
        what = f"{file}: can't be read as Parquet ({str(error).splitlines()[0]})."
        raise UnreadableFileError(what, "It may be half-written: export it again.") from error
    if not table.num_rows:
        raise UnreadableFileError(f"{file}: has no rows.", "Export it again with its rows.")
    typed = frozenset(field.name for field in table.schema if not _is_text(field.type))
    return TextTable(pa.table(texts), np.arange(1, table.num_rows + 1), typed=typed)


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(
        check(inner) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _column_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.date32(), safe=False)
    return pc.fill_null(column.cast(pa.string()), "")


@dataclass(frozen=True)
class UnreadableFile:
    """A file that could not be read, with the reason and the remedy."""

    file: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Source:
    """One file to read: its name in messages, its path, and the map that applies to it."""

    name: str
    path: Path
    map_path: Path | None


@dataclass(frozen=True)
class SourceRows:
    """The rows of one file in the project's columns, as text."""

    name: str
    file_hash: str  # SHA-256 of its content
    modified: float  # its modification time, seconds since 1970
    table: pa.Table
    left_out: int  # number of rows that its map leaves out
    ignored: tuple[str, ...]  # its columns that are not used
    named: Mapping[str, str]  # the project's column to the file's, where the names differ


def read_sources(sources: Sequence[Source]) -> tuple[list[SourceRows], list[UnreadableFile]]:
    """Read all files; returns the readable ones, and a reason and a remedy for each of the others."""
    read: list[SourceRows] = []
    unreadable: list[UnreadableFile] = []
    for source in sources:
        try:
            read.append(read_source(source))
        except InputError as error:
            unreadable.append(UnreadableFile(source.name, error.what, error.remedy))
    return read, unreadable


def read_source(source: Source) -> SourceRows:
    """Read one file in the project's columns; an InputError if the file or its map is faulty."""
    try:
        data, modified = source.path.read_bytes(), source.path.stat().st_mtime
    except FileNotFoundError as error:
        raise UnreadableFileError(f"{source.name}: is not there.", "Check its path.") from error
    except OSError as error:
        what = f"{source.name}: can't be opened ({error.strerror})."
        raise UnreadableFileError(what, "Fix its permissions, or take it out of the folder.") from error
    column_map = read_column_map(source.map_path) if source.map_path else NO_MAP
    text = read_text_table(source.name, data)
    check_against(column_map, source.name, text.table.column_names)
    kept = _kept_rows(text.table, column_map)
    table = _in_our_columns(source.name, text, column_map, kept)
    theirs = {name: column_map.source_of(name, text.table.column_names) for name in OUR_COLUMNS}
    used = {*theirs.values(), *column_map.where}
    return SourceRows(
        name=source.name,
        file_hash=hashlib.sha256(data).hexdigest(),
        modified=modified,
        table=table,
        left_out=int((~kept).sum()),
        ignored=tuple(name for name in text.table.column_names if name not in used),
        named={ours: name for ours, name in theirs.items() if name is not None and name != ours},
    )


def _kept_rows(table: pa.Table, column_map: ColumnMap) -> BoolArray:
    """(N,) True for rows that the map's `where` keeps; values that are numbers are compared as numbers."""
    kept: BoolArray = np.ones(table.num_rows, dtype=bool)
    for theirs, wanted in column_map.where.items():
        column = pc.utf8_trim_whitespace(table[theirs])
        matching = [v for v in column.unique().to_pylist() if any(_same(v, text) for text in wanted)]
        kept &= pc.is_in(column, pa.array(matching, pa.string())).to_numpy(zero_copy_only=False)
    return kept


def _same(value: str, wanted: str) -> bool:
    try:
        return float(value) == float(wanted)
    except ValueError:
        return value.casefold() == wanted.strip().casefold()


def _in_our_columns(name: str, text: TextTable, column_map: ColumnMap, kept: BoolArray) -> pa.Table:
    """The kept rows under the project's column names, and the malformed ones; with file, line and format."""
    rows = text.table.filter(pa.array(kept))
    n_rows, n_malformed = rows.num_rows, len(text.malformed)
    columns = {}
    for column in COLUMNS:
        values = _our_column(column, rows, text.typed, column_map)
        nulls = pa.nulls(n_malformed, pa.string())
        columns[column.name] = pa.chunked_array([*values.chunks, nulls], type=pa.string())
    malformed = [row for _, row in text.malformed]
    columns["malformed_row"] = pa.array([None] * n_rows + malformed, pa.string())
    forms = (column_map.month_format, column_map.decimal, column_map.thousands)
    for column_name, value in zip(("file", *FORM_COLUMNS), (name, *forms), strict=True):
        columns[column_name] = pa.repeat(pa.scalar(value, pa.string()), n_rows + n_malformed)
    lines = np.concatenate([text.lines[kept], np.array([line for line, _ in text.malformed], dtype=np.int64)])
    return pa.table({**columns, "line": lines})


def _our_column(
    column: Column, rows: pa.Table, typed: frozenset[str], column_map: ColumnMap
) -> pa.ChunkedArray:
    """One of our columns as text; numbers and dates of a Parquet file are written in the map's format."""
    is_number = column.kind not in (Kind.TEXT, Kind.MONTH)
    constant = column_map.constants.get(column.name)
    if constant is not None:
        value = constant.replace(".", column_map.decimal) if is_number else constant
        return pa.chunked_array([pa.repeat(pa.scalar(value, pa.string()), rows.num_rows)])
    theirs = column_map.source_of(column.name, rows.column_names)
    if theirs is None:
        return pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])
    texts = rows[theirs]
    if theirs in typed and column.kind is Kind.MONTH and column_map.month_format is not None:
        dates = pc.strptime(pc.utf8_slice_codeunits(texts, 0, 10), "%Y-%m-%d", "s", error_is_null=True)
        return pc.fill_null(pc.strftime(dates, column_map.month_format), "")
    if theirs in typed and is_number and column_map.decimal != ".":
        return pc.replace_substring(texts, ".", column_map.decimal)
    return texts
