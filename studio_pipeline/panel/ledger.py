"""The ledger of first-seen times: of file contents (by SHA-256) and of (studio, month) rows.

It outlives files: a row keeps the time it was first seen at when its file is replaced, corrected or gone.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from studio_pipeline.errors import StorageError

KEYS = ["studio_id", "month_year"]
_FILES_KEY = b"first_seen_of_files"


def _no_rows() -> pd.DataFrame:
    months = pd.Series([], dtype="datetime64[ns]")
    return pd.DataFrame(
        {"studio_id": pd.Series([], dtype=object), "month_year": months, "first_seen": months}
    )


@dataclass(frozen=True)
class Ledger:
    """What was seen when.

    Attributes:
        files: SHA-256 of a file's content to the time it was first seen, ISO 8601, UTC without offset.
        rows: studio_id, month_year, first_seen; one row each studio and month.
    """

    files: dict[str, str] = field(default_factory=dict)
    rows: pd.DataFrame = field(default_factory=_no_rows)

    def with_files(self, hashes: list[str], now: datetime) -> Ledger:
        """The same ledger with these contents; those it knows keep their time."""
        return replace(self, files={**dict.fromkeys(hashes, now.isoformat()), **self.files})

    def first_seen_of(self, file_hash: str) -> datetime:
        """When a content was first seen."""
        return datetime.fromisoformat(self.files[file_hash])

    def with_rows(self, rows: pd.DataFrame) -> Ledger:
        """The same ledger with rows (studio_id, month_year, first_seen); those it knows keep their time."""
        known = pd.MultiIndex.from_frame(self.rows[KEYS])
        if len(rows) == 0 or pd.MultiIndex.from_frame(rows[KEYS]).isin(known).all():
            return self
        together = pd.concat([self.rows, rows[[*KEYS, "first_seen"]]], ignore_index=True)
        together = together.sort_values([*KEYS, "first_seen"], kind="stable").drop_duplicates(KEYS)
        return replace(self, rows=together.reset_index(drop=True))

    def first_seen_of_rows(self, rows: pd.DataFrame) -> pd.Series:
        """(N,) first-seen time of rows (studio_id, month_year); NaT where the ledger doesn't know them."""
        return rows[KEYS].merge(self.rows, on=KEYS, how="left")["first_seen"]


def read_ledger(path: Path) -> Ledger:
    """The ledger of a file; an empty one where there is no file yet.

    Raises:
        StorageError: the file is there and can't be read.
    """
    if not path.exists():
        return Ledger()
    try:
        table = pa.parquet.read_table(path)
        files = json.loads((table.schema.metadata or {})[_FILES_KEY])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
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
    """Replace the ledger's file in one step; a reader sees the old one or the new one.

    Raises:
        StorageError: the disk refused.
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
