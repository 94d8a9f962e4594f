"""The landing folder: its files, their order of precedence, and their rows as one table of text.

The folder is only read here; `importing` copies files into it. First-seen times are kept in the ledger
(`ledger`); changes of the folder between two moments are found in `folder_scan`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from studio_pipeline.errors import StorageError
from studio_pipeline.panel.ingest.column_maps import OUR_COLUMNS, map_beside
from studio_pipeline.panel.ingest.csv_files import RAW_COLUMNS, RAW_TEXT_COLUMNS, TEXT, months_of, naive_utc
from studio_pipeline.panel.ingest.ledger import Ledger, read_ledger, write_ledger
from studio_pipeline.panel.ingest.parsing import parse_text
from studio_pipeline.panel.ingest.source_files import Source, SourceRows, UnreadableFile, read_sources

_NOT_DATA = (".yaml", ".yml", ".md")
_TEMPORARY = (".part", ".partial", ".tmp", ".crdownload", ".filepart")
"""Extensions that browsers and copying programs give to incomplete files."""


@dataclass(frozen=True)
class RawMonths:
    """The rows of all readable files, as text.

    Attributes:
        frame: `RAW_COLUMNS`: the project's columns as text (null where the file has no such column), the text
            of a row that doesn't fit its header, the file (its path in the folder) and line of the row, the
            number format of its map, the position of its file in the order in which later ones replace
            earlier ones, and the time at which a row of its studio and month was first seen (UTC).
        unreadable: the files that could not be read at all.
        left_out: number of rows that each file's map left out (`where`), by file.
        ignored_columns: unused columns of each file, by file.
        hashes: SHA-256 of each readable file's content.
    """

    frame: pd.DataFrame
    unreadable: tuple[UnreadableFile, ...]
    left_out: dict[str, int]
    ignored_columns: dict[str, tuple[str, ...]]
    hashes: dict[str, str]


def read_landing(folder: Path, ledger: Path, now: datetime) -> RawMonths:
    """Read all months of a landing folder, and update the ledger of first-seen times.

    Files that can't be read are listed in the result, and the others are used. Files are ordered by the time
    at which their content was first seen under their name, then by modification time, then by name.

    Args:
        folder: the landing folder.
        ledger: the file of first-seen times.
        now: the present moment.

    Raises:
        StorageError: the folder can't be listed, or the ledger can't be read or written.
    """
    known = read_ledger(ledger)
    raw, seen = raw_months(*read_sources(landing_sources(folder)), known, naive_utc(now))
    if seen.files != known.files or len(seen.rows) != len(known.rows):
        write_ledger(ledger, seen)
    return raw


def raw_months(
    read: Sequence[SourceRows], unreadable: Sequence[UnreadableFile], ledger: Ledger, now: datetime
) -> tuple[RawMonths, Ledger]:
    """The rows of all files of a folder as one table, and the ledger updated with files and rows.

    Args:
        read: the readable files.
        unreadable: the others.
        ledger: first-seen times so far.
        now: UTC without offset; the first-seen time of new files.
    """
    seen = ledger.with_files([(source.name, source.file_hash) for source in read], now)
    return combined(read, unreadable, seen, now)


def landing_sources(folder: Path) -> list[Source]:
    """The files of a landing folder and of the folders in it.

    Maps, notes, hidden files and those with a temporary name (`temporary_files`) are left out.

    Raises:
        StorageError: the folder can't be listed.
    """
    paths = [path for path in _files(folder) if not is_temporary(path.relative_to(folder))]
    return [Source(p.relative_to(folder).as_posix(), p, map_beside(p, folder)) for p in paths]


def temporary_files(folder: Path) -> list[str]:
    """Names of incomplete files: hidden ones, and `.part`, `.tmp` and the like.

    Raises:
        StorageError: the folder can't be listed.
    """
    return [p.relative_to(folder).as_posix() for p in _files(folder) if is_temporary(p.relative_to(folder))]


def _files(folder: Path) -> list[Path]:
    """All files in order, without maps and notes."""
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
    """The rows of several files as one table, and the ledger updated with their rows.

    Args:
        read: the files; they are in the ledger.
        unreadable: the others.
        ledger: first-seen times so far.
        now: UTC without offset; rows of months that are not over by then are not added to the ledger.
    """
    ordered = sorted(read, key=lambda s: (ledger.first_seen_of(s.name, s.file_hash), s.modified, s.name))
    frame = _empty_frame() if not ordered else _one_frame(ordered)
    seen = [ledger.first_seen_of(source.name, source.file_hash) for source in ordered]
    file_times = np.array(seen, dtype="datetime64[ns]")[frame["file_order"].to_numpy()]
    months = months_of(frame).astype("datetime64[ns]")
    keys = pd.DataFrame({"studio_id": parse_text(frame["studio_id"]), "month_year": months})
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


def raw_from_numbers(frame: pd.DataFrame, file: str, now: datetime) -> pd.DataFrame:
    """Raw text rows of months that are numbers already (the generator's), as from a file of them.

    Args:
        frame: any of the project's columns; month_year as datetime.
        file: the name used as their source.
        now: their first-seen time.
    """
    frame = frame.reset_index(drop=True)
    texts = {name: _number_texts(frame[name]) for name in OUR_COLUMNS if name in frame}
    raw = pd.DataFrame(texts | {"month_year": frame["month_year"].dt.strftime("%Y-%m-%d")})
    raw = raw.reindex(columns=list(RAW_COLUMNS)).assign(file=file, decimal=".", thousands="")
    raw = raw.astype(dict.fromkeys(RAW_TEXT_COLUMNS, TEXT))
    seen = np.datetime64(naive_utc(now), "ns")
    return raw.assign(line=np.arange(1, len(raw) + 1), file_order=0, first_seen=seen)


def _number_texts(column: pd.Series) -> pd.Series:
    text: pd.Series = pa.array(column, from_pandas=True).cast(pa.string()).to_pandas()
    return text
