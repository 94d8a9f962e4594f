"""The landing folder: which files are in it, in which order they count, and their rows as one table of text.

Nothing in the folder is ever written, renamed or removed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from studio_pipeline.errors import InputError, StorageError, UnreadableFileError
from studio_pipeline.panel.arrays import BoolArray
from studio_pipeline.panel.column_maps import (
    NO_MAP,
    OUR_COLUMNS,
    ColumnMap,
    check_against,
    map_beside,
    read_column_map,
)
from studio_pipeline.panel.columns import COLUMNS, Kind
from studio_pipeline.panel.ledger import Ledger, month_starts, read_ledger, write_ledger
from studio_pipeline.panel.parsing import arrow_text, parse_months, parse_text
from studio_pipeline.panel.reading import TextTable, read_text_table

TEXT = pd.StringDtype("pyarrow")
FORM_COLUMNS = ("month_format", "decimal", "thousands")
RAW_TEXT_COLUMNS: tuple[str, ...] = (*OUR_COLUMNS, "malformed_row", "file", *FORM_COLUMNS)
RAW_COLUMNS: tuple[str, ...] = (*RAW_TEXT_COLUMNS, "line", "file_order", "first_seen")
_NOT_DATA = (".yaml", ".yml", ".md")


@dataclass(frozen=True)
class UnreadableFile:
    """A file none of whose rows could be taken: what happened and what to do about it."""

    file: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class RawMonths:
    """The rows of all readable files, as text.

    Attributes:
        frame: `RAW_COLUMNS`: our columns as text (null where the file has no such column), the text of a row that
            doesn't fit its header, the file (its path in the folder) and line it stood in, the number forms of its
            map, the place of its file in the order in which later ones replace earlier ones, and when a row of its
            studio and month was first seen (UTC).
        unreadable: the files that could not be read at all.
        left_out: rows that each file's map left out (`where`), by file.
        ignored_columns: columns of each file that nothing was taken from.
        hashes: SHA-256 of each readable file's content.
    """

    frame: pd.DataFrame
    unreadable: tuple[UnreadableFile, ...]
    left_out: dict[str, int]
    ignored_columns: dict[str, tuple[str, ...]]
    hashes: dict[str, str]


@dataclass(frozen=True)
class Source:
    """One file to read: its name in messages, its place, and the map that applies to it."""

    name: str
    path: Path
    map_path: Path | None


@dataclass(frozen=True)
class SourceRows:
    """What one file holds, in our columns."""

    name: str
    file_hash: str
    modified: float
    table: pa.Table
    left_out: int
    ignored: tuple[str, ...]


def read_landing(folder: Path, ledger: Path, now: datetime) -> RawMonths:
    """All months of a landing folder; first-seen times are kept in the file `ledger`.

    Files that can't be read are named in the result, and the others go on. Later files come later in the order:
    by the time their content was first seen, then by modification time, then by name.

    Raises:
        StorageError: the folder can't be listed, or the ledger can't be read or written.
    """
    read, unreadable = read_sources(landing_sources(folder))
    known = read_ledger(ledger)
    seen = known.with_files([source.file_hash for source in read], naive_utc(now))
    raw, seen = together(read, unreadable, seen, naive_utc(now))
    if seen.files != known.files or len(seen.rows) != len(known.rows):
        write_ledger(ledger, seen)
    return raw


def landing_sources(folder: Path) -> list[Source]:
    """The files of a landing folder and of the folders in it, without maps, notes and hidden files."""
    if not folder.is_dir():
        return []
    try:
        paths = sorted(path for path in folder.rglob("*") if _is_data(path, folder))
    except OSError as error:
        raise StorageError(f"{folder}: can't be listed ({error}).", "Fix its permissions.") from error
    return [Source(p.relative_to(folder).as_posix(), p, map_beside(p, folder)) for p in paths]


def _is_data(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith((".", "~$")) for part in path.relative_to(folder).parts)
    return path.is_file() and not hidden and path.suffix.lower() not in _NOT_DATA


def read_sources(sources: Sequence[Source]) -> tuple[list[SourceRows], list[UnreadableFile]]:
    """Every file that can be read, and a reason and a remedy for every other one."""
    read: list[SourceRows] = []
    unreadable: list[UnreadableFile] = []
    for source in sources:
        try:
            read.append(read_source(source))
        except InputError as error:
            unreadable.append(UnreadableFile(source.name, error.what, error.remedy))
    return read, unreadable


def read_source(source: Source) -> SourceRows:
    """One file in our columns.

    Raises:
        UnreadableFileError: the file can't be read.
        ColumnMapError: its map is malformed or doesn't fit it.
    """
    try:
        data, modified = source.path.read_bytes(), source.path.stat().st_mtime
    except OSError as error:
        what = f"{source.name}: can't be opened ({error.strerror})."
        raise UnreadableFileError(what, "Fix its permissions, or take it out of the folder.") from error
    column_map = read_column_map(source.map_path) if source.map_path else NO_MAP
    text = read_text_table(source.name, data)
    check_against(column_map, source.name, text.table.column_names)
    kept = kept_rows(text.table, column_map)
    table = in_our_columns(source.name, text, column_map, kept)
    ignored = _ignored_columns(text.table.column_names, column_map)
    file_hash = hashlib.sha256(data).hexdigest()
    return SourceRows(source.name, file_hash, modified, table, int((~kept).sum()), ignored)


def _ignored_columns(file_columns: list[str], column_map: ColumnMap) -> tuple[str, ...]:
    used = {column_map.source_of(name, file_columns) for name in OUR_COLUMNS} | set(column_map.where)
    return tuple(name for name in file_columns if name not in used)


def kept_rows(table: pa.Table, column_map: ColumnMap) -> BoolArray:
    """(N,) whether the map's `where` keeps a row; values are compared as numbers where both are numbers."""
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


def in_our_columns(name: str, text: TextTable, column_map: ColumnMap, kept: BoolArray) -> pa.Table:
    """The kept rows under our names, and the malformed ones, each with file, line and number forms."""
    rows = text.table.filter(pa.array(kept))
    n_rows, n_malformed = rows.num_rows, len(text.malformed)
    columns = {
        column.name: _with_nulls(
            _our_column(column.name, column.kind, rows, text.typed, column_map), n_malformed
        )
        for column in COLUMNS
    }
    malformed = [row for _, row in text.malformed]
    columns["malformed_row"] = pa.array([None] * n_rows + malformed, pa.string())
    forms = (column_map.month_format, column_map.decimal, column_map.thousands)
    for column_name, value in zip(("file", *FORM_COLUMNS), (name, *forms), strict=True):
        columns[column_name] = pa.repeat(pa.scalar(value, pa.string()), n_rows + n_malformed)
    lines = np.concatenate([text.lines[kept], np.array([line for line, _ in text.malformed], dtype=np.int64)])
    return pa.table({**columns, "line": lines})


def _with_nulls(column: pa.ChunkedArray, count: int) -> pa.ChunkedArray:
    return pa.chunked_array([*column.chunks, pa.nulls(count, pa.string())], type=pa.string())


def _our_column(
    name: str, kind: Kind, rows: pa.Table, typed: frozenset[str], column_map: ColumnMap
) -> pa.ChunkedArray:
    constant = column_map.constants.get(name)
    if constant is not None:
        value = constant if kind in (Kind.TEXT, Kind.MONTH) else constant.replace(".", column_map.decimal)
        return pa.chunked_array([pa.repeat(pa.scalar(value, pa.string()), rows.num_rows)])
    theirs = column_map.source_of(name, rows.column_names)
    if theirs is None:
        return pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])
    if theirs in typed:
        return _in_map_form(rows[theirs], kind, column_map)
    return rows[theirs]


def _in_map_form(column: pa.ChunkedArray, kind: Kind, column_map: ColumnMap) -> pa.ChunkedArray:
    """Typed numbers and dates of a Parquet file, written the way the map says texts are."""
    if kind is Kind.TEXT:
        return column
    if kind is Kind.MONTH and column_map.month_format is not None:
        dates = pc.strptime(pc.utf8_slice_codeunits(column, 0, 10), "%Y-%m-%d", "s", error_is_null=True)
        return pc.fill_null(pc.strftime(dates, column_map.month_format), "")
    if kind is not Kind.MONTH and column_map.decimal != ".":
        return pc.replace_substring(column, ".", column_map.decimal)
    return column


def together(
    read: Sequence[SourceRows], unreadable: Sequence[UnreadableFile], ledger: Ledger, now: datetime
) -> tuple[RawMonths, Ledger]:
    """The rows of several files as one table, and the ledger with their rows in it.

    Args:
        read: the files; their contents are in the ledger.
        unreadable: the others.
        ledger: what was seen before.
        now: UTC without offset; rows of months that are not over by then don't count as seen.
    """
    ordered = sorted(read, key=lambda s: (ledger.files[s.file_hash], s.modified, s.name))
    frame = _empty_frame() if not ordered else _one_frame(ordered)
    seen = [ledger.first_seen_of(source.file_hash) for source in ordered]
    file_times = np.array(seen, dtype="datetime64[ns]")[frame["file_order"].to_numpy()]
    keys = pd.DataFrame(
        {"studio_id": parse_text(frame["studio_id"]), "month_year": month_starts(months_of(frame))}
    )
    keys["first_seen"] = file_times
    over = keys["month_year"] < np.datetime64(now, "M")
    ledger = ledger.with_rows(keys[over & keys["studio_id"].notna()])
    frame["first_seen"] = ledger.first_seen_of_rows(keys).fillna(keys["first_seen"]).to_numpy()
    raw = RawMonths(
        frame[list(RAW_COLUMNS)],
        tuple(unreadable),
        {source.name: source.left_out for source in ordered if source.left_out},
        {source.name: source.ignored for source in ordered if source.ignored},
        {source.name: source.file_hash for source in ordered},
    )
    return raw, ledger


def _one_frame(ordered: Sequence[SourceRows]) -> pd.DataFrame:
    table = pa.concat_tables([source.table for source in ordered])
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.string(): TEXT}.get)
    frame["file_order"] = np.repeat(np.arange(len(ordered)), [source.table.num_rows for source in ordered])
    return frame


def _empty_frame() -> pd.DataFrame:
    texts = {name: pd.Series([], dtype=TEXT) for name in RAW_TEXT_COLUMNS}
    numbers = {name: pd.Series([], dtype="int64") for name in ("line", "file_order")}
    return pd.DataFrame({**texts, **numbers})


def months_of(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
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


def raw_from_numbers(frame: pd.DataFrame, file: str, now: datetime) -> pd.DataFrame:
    """Months that are numbers already (the generator's), as the raw text a file of them would give.

    Args:
        frame: any of our columns; month_year as datetime.
        file: the name that stands for their source.
        now: when they were first seen.
    """
    months = frame["month_year"].dt.strftime("%Y-%m-%d")
    texts = {
        name: _number_texts(frame[name]) for name in OUR_COLUMNS if name in frame and name != "month_year"
    }
    raw = (
        pd.DataFrame({"month_year": months, **texts})
        .reset_index(drop=True)
        .reindex(columns=list(RAW_COLUMNS))
    )
    raw = raw.assign(file=file, decimal=".", thousands="").astype(dict.fromkeys(RAW_TEXT_COLUMNS, TEXT))
    seen = np.datetime64(naive_utc(now), "ns")
    return raw.assign(line=np.arange(1, len(raw) + 1), file_order=0, first_seen=seen)


def _number_texts(column: pd.Series) -> pd.Series:
    text = pa.array(column, from_pandas=True).cast(pa.string())
    return pd.Series(text.to_pandas(types_mapper={pa.string(): TEXT}.get), index=column.index)


def naive_utc(moment: datetime) -> datetime:
    """A moment in UTC, without its offset; a moment without offset is taken as UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
