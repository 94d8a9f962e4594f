"""The landing folder: its files, their order of precedence, their rows as one table, and first-seen times.

The folder is only read here; `importing` copies files into it, `folder_scan` finds its changes. First-seen
times of files and of rows are kept in a ledger, one Parquet file in STUDIO_HOME, which outlives files: a row
keeps its time when its file is replaced, corrected or removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from studio_pipeline.errors import StorageError
from studio_pipeline.panel.columns import KEYS
from studio_pipeline.panel.frames import empty_table
from studio_pipeline.panel.ingest.column_maps import OUR_COLUMNS, map_beside
from studio_pipeline.panel.ingest.csv_files import RAW_COLUMNS, RAW_TEXT_COLUMNS, TEXT, months_of, naive_utc
from studio_pipeline.panel.ingest.parsing import parse_text
from studio_pipeline.panel.ingest.source_files import Source, SourceRows, UnreadableFile, read_sources

LEDGER_FILE = "first_seen.parquet"
_FILES_KEY = b"first_seen_of_files"
_ANY_NAME = ""
"""Name of entries in older ledgers, which hold contents without names; such files take the entry's time."""


_ROW_TYPES = {"studio_id": "object", "month_year": "datetime64[ns]", "first_seen": "datetime64[ns]"}


@dataclass(frozen=True)
class Ledger:
    """First-seen times of files and rows."""

    # SHA-256 of a file's content to its file names to the time at which it was first seen under that name,
    # ISO 8601, UTC without offset. A known content under a new name counts as new.
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    # `_ROW_TYPES`, one row per studio and month.
    rows: pd.DataFrame = field(default_factory=lambda: empty_table(_ROW_TYPES))

    def with_files(self, files: Iterable[tuple[str, str]], now: datetime) -> Ledger:
        """The same ledger with these files (name, SHA-256) added; files in it keep their time."""
        known = {file_hash: dict(names) for file_hash, names in self.files.items()}
        shown = tuple(files)
        for name, file_hash in shown:
            names = known.setdefault(file_hash, {})
            names.setdefault(name, names.get(_ANY_NAME, now.isoformat()))
        for _, file_hash in shown:
            known[file_hash].pop(_ANY_NAME, None)
        return replace(self, files=known)

    def first_seen_of(self, name: str, file_hash: str) -> datetime:
        """The time at which a content was first seen under a file name."""
        return datetime.fromisoformat(self.files[file_hash][name])

    def with_rows(self, rows: pd.DataFrame) -> Ledger:
        """The same ledger with rows (studio_id, month_year, first_seen) added; rows in it keep their time."""
        known = pd.MultiIndex.from_frame(self.rows[list(KEYS)])
        if len(rows) == 0 or pd.MultiIndex.from_frame(rows[list(KEYS)]).isin(known).all():
            return self
        together = pd.concat([self.rows, rows[[*KEYS, "first_seen"]]], ignore_index=True)
        together = together.sort_values([*KEYS, "first_seen"], kind="stable").drop_duplicates(list(KEYS))
        return replace(self, rows=together.reset_index(drop=True))

    def first_seen_of_rows(self, rows: pd.DataFrame) -> pd.Series:
        """(N,) first-seen time of rows (studio_id, month_year); NaT where the ledger doesn't have them."""
        return rows[list(KEYS)].merge(self.rows, on=list(KEYS), how="left")["first_seen"]


def read_ledger(path: Path) -> Ledger:
    """Read a ledger, an empty one if there is no file yet; StorageError if it can't be read."""
    if not path.exists():
        return Ledger()
    try:
        table = pa.parquet.read_table(path)
        files = json.loads((table.schema.metadata or {})[_FILES_KEY])
        files = {key: {_ANY_NAME: seen} if isinstance(seen, str) else seen for key, seen in files.items()}
    except (pa.ArrowException, OSError, KeyError, ValueError, AttributeError) as error:
        what = f"{path}: the ledger of first-seen times can't be read ({error})."
        remedy = "Restore it, or move it away: first-seen times then start again now."
        raise StorageError(what, remedy) from error
    return Ledger(files, table.to_pandas().astype(_ROW_TYPES))


def _write_ledger(path: Path, ledger: Ledger) -> None:
    """Replace the ledger's file atomically; a reader sees the old one or the new one."""
    table = pa.Table.from_pandas(ledger.rows, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), _FILES_KEY: json.dumps(ledger.files).encode()}
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pa.parquet.write_table(table.replace_schema_metadata(metadata), unfinished)
        with unfinished.open("rb") as handle:
            os.fsync(handle.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        what = f"{path}: can't be written ({error})."
        raise StorageError(what, "Free disk space or fix permissions.") from error


_NOT_DATA = (".yaml", ".yml", ".md")
_TEMPORARY = (".part", ".partial", ".tmp", ".crdownload", ".filepart")
"""Extensions that browsers and copying programs give to incomplete files."""


@dataclass(frozen=True)
class RawMonths:
    """The rows of all readable files, as text."""

    # `RAW_COLUMNS`: the project's columns as text (null where the file has no such column), the text of a row
    # that doesn't fit its header, the file (its path in the folder) and line of the row, the number format of
    # its map, the position of its file in the order in which later ones replace earlier ones, and the time at
    # which a row of its studio and month was first seen (UTC).
    frame: pd.DataFrame
    unreadable: tuple[UnreadableFile, ...]  # the files that could not be read at all
    left_out: dict[str, int]  # number of rows that each file's map left out (`where`), by file


def read_landing(folder: Path, ledger: Path, now: datetime) -> RawMonths:
    """Read all months of a landing folder, and update the ledger of first-seen times.

    Files that can't be read are listed in the result, and the others are used. Files are ordered by the time
    at which their content was first seen under their name, then by modification time, then by name.

    Raises:
        StorageError: the folder can't be listed, or the ledger can't be read or written.
    """
    known = read_ledger(ledger)
    raw, seen = combined(*read_sources(landing_sources(folder)), known, naive_utc(now))
    if seen.files != known.files or len(seen.rows) != len(known.rows):
        _write_ledger(ledger, seen)
    return raw


def landing_sources(folder: Path) -> list[Source]:
    """The data files below a folder, without hidden or temporary ones; StorageError if it can't be listed."""
    paths = [path for path in _files(folder) if not is_temporary(path.relative_to(folder))]
    return [Source(p.relative_to(folder).as_posix(), p, map_beside(p, folder)) for p in paths]


def temporary_files(folder: Path) -> list[str]:
    """Names of incomplete files: hidden ones, `.part`, `.tmp` and the like; errors as `landing_sources`."""
    return [p.relative_to(folder).as_posix() for p in _files(folder) if is_temporary(p.relative_to(folder))]


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    if not os.access(folder, os.R_OK | os.X_OK):
        raise StorageError(f"{folder}: can't be listed (permission denied).", "Fix its permissions.")
    try:
        return sorted(p for p in folder.rglob("*") if p.suffix.lower() not in _NOT_DATA and p.is_file())
    except OSError as error:
        raise StorageError(f"{folder}: can't be listed ({error}).", "Fix its permissions.") from error


def is_temporary(name: Path) -> bool:
    """Check whether a path below the folder has a name that marks an incomplete file."""
    return any(part.startswith((".", "~$")) for part in name.parts) or name.suffix.lower() in _TEMPORARY


def combined(
    read: Sequence[SourceRows], unreadable: Sequence[UnreadableFile], ledger: Ledger, now: datetime
) -> tuple[RawMonths, Ledger]:
    """The rows of several files as one table, and the ledger updated with these files and their rows.

    New files are first seen `now`, UTC without offset; rows of months that are not over by then are not added
    to the ledger.
    """
    ledger = ledger.with_files([(source.name, source.file_hash) for source in read], now)
    ordered = sorted(read, key=lambda s: (ledger.first_seen_of(s.name, s.file_hash), s.modified, s.name))
    frame = empty_table({**dict.fromkeys(RAW_TEXT_COLUMNS, TEXT), "line": "int64", "file_order": "int64"})
    if ordered:
        table = pa.concat_tables([source.table for source in ordered])
        frame = table.to_pandas(types_mapper={pa.string(): TEXT}.get)
        lengths = [source.table.num_rows for source in ordered]
        frame["file_order"] = np.repeat(np.arange(len(ordered)), lengths)
    seen = [ledger.first_seen_of(source.name, source.file_hash) for source in ordered]
    months = months_of(frame).astype("datetime64[ns]")
    keys = pd.DataFrame({"studio_id": parse_text(frame["studio_id"]), "month_year": months})
    keys["first_seen"] = np.array(seen, dtype="datetime64[ns]")[frame["file_order"].to_numpy()]
    over = keys["month_year"] < np.datetime64(now, "M")
    ledger = ledger.with_rows(keys[over & keys["studio_id"].notna()])
    frame["first_seen"] = ledger.first_seen_of_rows(keys).fillna(keys["first_seen"]).to_numpy()
    left_out = {source.name: source.left_out for source in ordered if source.left_out}
    return RawMonths(frame[list(RAW_COLUMNS)], tuple(unreadable), left_out), ledger


def raw_from_numbers(frame: pd.DataFrame, file: str, now: datetime) -> pd.DataFrame:
    """Raw text rows of months that are numbers already (the generator's), first seen now, as from a file."""
    frame = frame.reset_index(drop=True)
    given = [name for name in OUR_COLUMNS if name in frame]
    texts = {name: pa.array(frame[name], from_pandas=True).cast(pa.string()).to_pandas() for name in given}
    raw = pd.DataFrame(texts | {"month_year": frame["month_year"].dt.strftime("%Y-%m-%d")})
    raw = raw.reindex(columns=list(RAW_COLUMNS)).assign(file=file, decimal=".", thousands="")
    raw = raw.astype(dict.fromkeys(RAW_TEXT_COLUMNS, TEXT))
    seen = np.datetime64(naive_utc(now), "ns")
    return raw.assign(line=np.arange(1, len(raw) + 1), file_order=0, first_seen=seen)
