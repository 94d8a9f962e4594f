"""Ledger of first-seen times of files and of (studio, month) rows.

The ledger outlives files: a row keeps its first-seen time when its file is replaced, corrected or removed.
Stored as one Parquet file in STUDIO_HOME; `landing` updates it with every read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from studio_pipeline.errors import StorageError

LEDGER_FILE = "first_seen.parquet"
"""Name of the ledger's file in STUDIO_HOME."""

KEYS = ["studio_id", "month_year"]
_FILES_KEY = b"first_seen_of_files"
_ANY_NAME = ""
"""Name of entries in older ledgers, which hold contents without names; such files take the entry's time."""


def _no_rows() -> pd.DataFrame:
    months = pd.Series([], dtype="datetime64[ns]")
    return pd.DataFrame(
        {"studio_id": pd.Series([], dtype=object), "month_year": months, "first_seen": months}
    )


@dataclass(frozen=True)
class Ledger:
    """First-seen times of files and rows.

    Attributes:
        files: SHA-256 of a file's content to its file names to the time at which it was first seen under
            that name, ISO 8601, UTC without offset. A known content under a new name counts as new.
        rows: studio_id, month_year, first_seen; one row per studio and month.
    """

    files: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: pd.DataFrame = field(default_factory=_no_rows)

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
        known = pd.MultiIndex.from_frame(self.rows[KEYS])
        if len(rows) == 0 or pd.MultiIndex.from_frame(rows[KEYS]).isin(known).all():
            return self
        together = pd.concat([self.rows, rows[[*KEYS, "first_seen"]]], ignore_index=True)
        together = together.sort_values([*KEYS, "first_seen"], kind="stable").drop_duplicates(KEYS)
        return replace(self, rows=together.reset_index(drop=True))

    def first_seen_of_rows(self, rows: pd.DataFrame) -> pd.Series:
        """(N,) first-seen time of rows (studio_id, month_year); NaT where the ledger doesn't have them."""
        return rows[KEYS].merge(self.rows, on=KEYS, how="left")["first_seen"]


def read_ledger(path: Path) -> Ledger:
    """Read a ledger; an empty one if the file doesn't exist yet.

    Raises:
        StorageError: the file exists and can't be read.
    """
    if not path.exists():
        return Ledger()
    try:
        table = pa.parquet.read_table(path)
        files = json.loads((table.schema.metadata or {})[_FILES_KEY])
        files = {key: {_ANY_NAME: seen} if isinstance(seen, str) else seen for key, seen in files.items()}
    except (pa.ArrowException, OSError, KeyError, ValueError, AttributeError) as error:
        what = f"{path}: the ledger of first-seen times can't be read ({error})."
        raise StorageError(
            what, "Restore it, or move it away: first-seen times then start again now."
        ) from error
    rows = table.to_pandas()
    rows["studio_id"] = rows["studio_id"].astype(object)
    for name in ("month_year", "first_seen"):
        rows[name] = rows[name].astype("datetime64[ns]")
    return Ledger(files, rows)


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Replace the ledger's file atomically; a reader sees the old one or the new one.

    Raises:
        StorageError: writing failed.
    """
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
        raise StorageError(
            f"{path}: can't be written ({error}).", "Free disk space or fix permissions."
        ) from error
