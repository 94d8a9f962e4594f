"""Background log of predictions: a bounded queue, one writer thread, and a spool for database outages.

Adding an entry never waits and never fails. The table is in ``predictions``, the spool's file format in
``prediction_spool``.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Event, Lock, Thread

from sqlalchemy.exc import SQLAlchemyError

from serving.storage.prediction_spool import PredictionSpool, SpoolFile
from serving.storage.predictions import LoggedPrediction, PredictionTable
from studio_pipeline.errors import DatabaseError, InputError

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
"""Interval of writes: at most this much is lost with a killed process while a core is free."""

CLOSE_SECONDS = 5.0
RETRY_SECONDS = 1.0  # pause after the database has refused a write
UPKEEP_SECONDS = 600.0  # interval of pruning, and of looking for files of ended processes
MAX_QUEUED_BYTES = 64 * 2**20  # limit of the queue in memory, about twenty thousand answers
BATCH_ENTRIES = 500  # entries of one transaction
POLL_SECONDS = 0.05
FIND_SECONDS = 1.0  # time that an entry of another process may take to reach the database
WARNING_SECONDS = 60.0  # interval in which the same warning is logged once


class PredictionLog:
    """Writes predictions to a table in the background.

    Entries that the table does not take wait in the spool and are written first, in order, once it does.
    Entries are deleted at an age of `retention_days`; 0 keeps them for ever.
    """

    def __init__(self, store: PredictionTable, spool: PredictionSpool, retention_days: int = 0) -> None:
        self._store, self._spool, self._retention_days = store, spool, retention_days
        self._lock = Lock()
        self._queue: dict[str, LoggedPrediction] = {}
        self._queued_bytes = 0
        self._in_progress: dict[str, LoggedPrediction] = {}
        self._added = self._processed = 0
        self._wake = Event()
        self._is_closing = False
        self._retry_at = 0.0
        self._upkeep_at = time.monotonic()
        self._warned_at: dict[str, float] = {}
        self._thread = Thread(target=self._run, name="prediction-log", daemon=True)
        # Entries written to the table, spooled on the way, and dropped for good.
        self.counters = {"written": 0, "spooled": 0, "dropped": 0}

    @property
    def queue_length(self) -> int:
        """Entries in memory."""
        return len(self._queue) + len(self._in_progress)

    @property
    def spool_length(self) -> int:
        """Entries in the spool file of this process."""
        return len(self._spool)

    def start(self) -> None:
        """Start the writer thread."""
        self._thread.start()

    def add(self, entry: LoggedPrediction) -> None:
        """Queue one entry; a full queue drops and counts it."""
        size = _size(entry)
        with self._lock:
            if self._queued_bytes + size > MAX_QUEUED_BYTES:
                self.counters["dropped"] += 1
                return
            self._queue[entry.id] = entry
            self._queued_bytes += size
            self._added += 1

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        """An entry by its id; waits up to a second for an entry that another process has just made.

        Raises:
            DatabaseError: the entry is not in this process and the database is unreachable.
        """
        deadline = time.monotonic() + FIND_SECONDS
        while True:
            with self._lock:
                here = self._queue.get(prediction_id) or self._in_progress.get(prediction_id)
            found = here or self._spool.find(prediction_id) or self._store.find(prediction_id)
            if found is not None or time.monotonic() > deadline:
                return found
            time.sleep(POLL_SECONDS)

    def flush(self, seconds: float) -> bool:
        """Wait until everything added so far is in the table; False if that takes longer."""
        deadline = time.monotonic() + seconds
        added = self._added
        while self._processed < added or self.spool_length:
            if time.monotonic() > deadline:
                return False
            self._wake.set()
            time.sleep(POLL_SECONDS / 10)
        return True

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is left, and spool what the table does not take in time."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(seconds)
        with self._lock:
            left = [*self._in_progress.values(), *self._queue.values()]
        if left:
            # The table ignores entries that it already has.
            self._keep_in_spool(left)
        self._spool.close()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            is_last = self._is_closing
            self._write_queue()
            self._maintain()

    def _write_queue(self) -> None:
        """Process the entries that are queued now; later ones wait for the next call."""
        left = len(self._queue)
        while left > 0 and (batch := self._next_batch()):
            left -= len(batch)
            try:
                if not (self._deliver_spool() and self._write(batch)):
                    self._keep_in_spool(batch)
            # An unexpected error costs its batch only.
            except Exception:
                logger.exception("%d logged predictions are lost.", len(batch))
                self.counters["dropped"] += len(batch)
            self._in_progress = {}
            self._processed += len(batch)

    def _next_batch(self) -> list[LoggedPrediction]:
        with self._lock:
            batch = list(islice(self._queue.values(), BATCH_ENTRIES))
            self._in_progress = {entry.id: entry for entry in batch}
            for entry in batch:
                del self._queue[entry.id]
                self._queued_bytes -= _size(entry)
        return batch

    def _deliver_spool(self) -> bool:
        """Write the spooled entries; False if some still wait or the last refusal is too recent."""
        return time.monotonic() >= self._retry_at and self._deliver(self._spool)

    def _deliver(self, file: PredictionSpool | SpoolFile) -> bool:
        while entries := file.oldest(BATCH_ENTRIES):
            if not self._write(entries):
                return False
            file.remove(entries)
        return True

    def _write(self, entries: Sequence[LoggedPrediction]) -> bool:
        """Write entries to the table; False if the database is unreachable."""
        try:
            self._store.write(entries)
        except DatabaseError:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return False
        except (InputError, SQLAlchemyError):
            if len(entries) == 1:
                self._drop(1, "are refused by the database")
                return True
            # Isolate the entry that the table refuses, so that the others are written.
            middle = len(entries) // 2
            return self._write(entries[:middle]) and self._write(entries[middle:])
        self.counters["written"] += len(entries)
        return True

    def _keep_in_spool(self, entries: Sequence[LoggedPrediction]) -> None:
        try:
            kept = self._spool.append(entries)
        except (OSError, sqlite3.Error, TypeError) as error:
            kept = 0
            self._warn(f"Predictions can't be spooled: {error}.")
        self.counters["spooled"] += kept
        self._drop(len(entries) - kept, "found no room in the spool")

    def _maintain(self) -> None:
        """Deliver the spool and, once in a while, other processes' leftovers; prune old entries."""
        try:
            is_due = self._deliver_spool() and time.monotonic() >= self._upkeep_at
            if is_due and all(map(self._deliver, self._spool.leftovers())) and not self._prune():
                self._upkeep_at = time.monotonic() + UPKEEP_SECONDS
        # The thread must outlive any error.
        except Exception:
            logger.exception("The upkeep of the prediction log failed.")
            self._upkeep_at = time.monotonic() + UPKEEP_SECONDS

    def _prune(self) -> int:
        """Delete some of the entries past their retention; returns their number."""
        if not self._retention_days:
            return 0
        try:
            return self._store.prune(datetime.now(UTC) - timedelta(days=self._retention_days))
        except DatabaseError:
            return 0

    def _drop(self, entries: int, why: str) -> None:
        if entries:
            self.counters["dropped"] += entries
            self._warn(f"Logged predictions {why} and are dropped; /metrics counts them.")

    def _warn(self, message: str) -> None:
        now = time.monotonic()
        if now >= self._warned_at.get(message, -WARNING_SECONDS) + WARNING_SECONDS:
            self._warned_at[message] = now
            logger.warning(message)


def _size(entry: LoggedPrediction) -> int:
    return len(entry.inputs) + len(entry.outputs)
