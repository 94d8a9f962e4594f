"""SQLite spool of logged predictions that the database has not taken yet.

Every process has one file of its own in ``STUDIO_HOME/spool`` while entries wait, and holds SQLite's
exclusive lock on it. The lock ends with the process, so that an unlocked file is a leftover that another
process may deliver. Delivery itself is in ``prediction_log``.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from serving.storage.predictions import LoggedPrediction, from_json, to_json

logger = logging.getLogger(__name__)

MAX_SPOOL_BYTES = 64 * 2**20  # limit of the file of one process
SUFFIX = ".sqlite3"
UNREADABLE_SUFFIX = ".unreadable"
_PAGE_BYTES = 4096
_TABLE = (
    "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, id TEXT, entry BLOB)",
    "CREATE INDEX IF NOT EXISTS entries_by_id ON entries (id)",
)


class SpoolFile:
    """One spool file, locked exclusively while it is open; it is created if it does not exist.

    Raises:
        sqlite3.OperationalError: another process holds the file, or the disk refuses.
        sqlite3.DatabaseError: the file is no SQLite database.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_SPOOL_BYTES) -> None:
        self.path = path
        self._length = 0
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._execute("PRAGMA locking_mode = EXCLUSIVE")
            self._execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            self._execute(f"PRAGMA max_page_count = {max_bytes // _PAGE_BYTES}")
            self._execute("BEGIN EXCLUSIVE")
            for statement in _TABLE:
                self._execute(statement)
            self._execute("COMMIT")
            self._length = int(self._execute("SELECT count(*) FROM entries").fetchone()[0])
        except BaseException:
            self._connection.close()
            raise

    def __len__(self) -> int:
        """Number of waiting entries."""
        return self._length

    def append(self, entries: Sequence[LoggedPrediction]) -> int:
        """Store as many entries as there is room for, the first ones, and say how many.

        Raises:
            sqlite3.OperationalError: the disk refuses; nothing is stored.
        """
        rows = [(entry.id, to_json(entry)) for entry in entries]
        while rows:
            try:
                with self._connection:
                    self._execute("BEGIN")
                    self._connection.executemany("INSERT INTO entries (id, entry) VALUES (?, ?)", rows)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_FULL":
                    raise
                rows = rows[: len(rows) // 2]
            else:
                break
        self._length += len(rows)
        return len(rows)

    def oldest(self, at_most: int) -> list[LoggedPrediction]:
        """The entries that have waited longest, in order."""
        rows = self._execute("SELECT entry FROM entries ORDER BY number LIMIT ?", at_most)
        return [from_json(entry) for (entry,) in rows]

    def remove(self, entries: Sequence[LoggedPrediction]) -> None:
        """Delete delivered entries."""
        ids = [(entry.id,) for entry in entries]
        with self._connection:
            self._execute("BEGIN")
            deleted = self._connection.executemany("DELETE FROM entries WHERE id = ?", ids).rowcount
        self._length -= deleted

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        """An entry by its id."""
        row = self._execute("SELECT entry FROM entries WHERE id = ? LIMIT 1", prediction_id).fetchone()
        return None if row is None else from_json(row[0])

    def close(self) -> None:
        """Release the file; delete it if nothing waits in it."""
        if not self._length:
            # Still locked: no other process can have begun to use it.
            self.path.unlink(missing_ok=True)
        self._connection.close()

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)


class PredictionSpool:
    """The spool of one process, and access to the files that ended processes left.

    Safe for use from several threads. The folder is created when the first entry waits.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_SPOOL_BYTES) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._file: SpoolFile | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        """Number of waiting entries of this process."""
        return 0 if (file := self._file) is None else len(file)

    def append(self, entries: Sequence[LoggedPrediction]) -> int:
        """The same as `SpoolFile.append`; also raises an OSError if the folder can't be made."""
        with self._lock:
            if self._file is None:
                self._file = self._new_file()
            return self._file.append(entries)

    def oldest(self, at_most: int) -> list[LoggedPrediction]:
        """The entries of this process that have waited longest, in order."""
        with self._lock:
            return [] if self._file is None else self._file.oldest(at_most)

    def remove(self, entries: Sequence[LoggedPrediction]) -> None:
        """Delete delivered entries; the file goes with the last one."""
        with self._lock:
            if self._file is not None:
                self._file.remove(entries)
                if not len(self._file):
                    self._close()

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        """A waiting entry of this process by its id."""
        with self._lock:
            return None if self._file is None else self._file.find(prediction_id)

    def leftovers(self) -> Iterator[SpoolFile]:
        """Files of ended processes, oldest first, each locked until the next one is asked for.

        Raises:
            OSError: the folder can't be read.
        """
        # Names begin with the time of creation.
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if self._file is not None and path == self._file.path:
                continue
            if (file := _take_over(path)) is not None:
                try:
                    yield file
                finally:
                    file.close()

    def close(self) -> None:
        """Release the file; another process delivers what is left in it."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _new_file(self) -> SpoolFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            name = f"predictions-{time.time_ns()}-{os.getpid()}{SUFFIX}"
            file = SpoolFile(self._folder / name, self._max_bytes)
            # Another process may have taken the new file for a leftover before it was locked.
            if file.path.exists():
                return file
            file.close()


def _take_over(path: Path) -> SpoolFile | None:
    """Lock the file of an ended process; None for one in use, already delivered, or unreadable."""
    if not path.exists():
        return None
    try:
        return SpoolFile(path)
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        logger.warning("The spool file %s can't be read and is set aside: %s.", path.name, error)
        with suppress(OSError):
            path.rename(path.with_suffix(UNREADABLE_SUFFIX))
        return None
