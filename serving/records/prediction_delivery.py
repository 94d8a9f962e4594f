"""Where logged predictions go: into the database, or behind what waits in the spool while it is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from serving.records.logged_prediction import LoggedPrediction, from_line, to_line
from serving.records.prediction_spool import PredictionSpool
from studio_pipeline.errors import DatabaseError, InputError

logger = logging.getLogger(__name__)

AT_ONCE = 500
"""Entries of one transaction."""

RETRY_SECONDS = 1.0
"""How long the database is left alone after it has refused."""

TELL_SECONDS = 60.0

Write = Callable[[Sequence[LoggedPrediction]], None]
"""Keeps entries in the database, all or none, or raises `DatabaseError` or `InputError`."""


class Delivery:
    """Delivers entries in the order in which they come; one thread at a time.

    Args:
        write: into the database.
        spool: for the time while that fails.

    Attributes:
        counters: entries `written` to the database, `spooled` on the way, and `dropped` for good.
    """

    def __init__(self, write: Write, spool: PredictionSpool) -> None:
        self._write = write
        self._spool = spool
        self._retry_at = 0.0
        self._told_at: dict[str, float] = {}
        self.counters = {"written": 0, "spooled": 0, "dropped": 0}

    def deliver(self, entries: Sequence[LoggedPrediction]) -> None:
        """Write entries, or spool them; what is neither is counted as dropped."""
        left = list(entries)
        if self.catch_up():
            while left and self._try(left[:AT_ONCE]):
                left = left[AT_ONCE:]
        if left:
            self.spool(left)

    def catch_up(self) -> bool:
        """Write what waits in the spool, the oldest first; False where some has to wait on."""
        if time.monotonic() < self._retry_at:
            return False
        while lines := self._spool.read():
            entries = [entry for line in lines if (entry := from_line(line)) is not None]
            if not self._try(entries):
                return False
            self._drop(len(lines) - len(entries), "are no entries")
            self._spool.forget(lines)
        return True

    def spool(self, entries: Sequence[LoggedPrediction]) -> None:
        """Keep entries in the spool, as far as there is room."""
        lines = [line for entry in entries if (line := _line(entry)) is not None]
        try:
            kept = self._spool.append(lines)
        except OSError as error:
            kept = 0
            self._tell(f"Predictions can't be spooled: {error.strerror or error}.")
        self.counters["spooled"] += kept
        self._drop(len(entries) - kept, "found no room in the spool")

    def adopt(self) -> None:
        """Take over what processes that are gone have left in their spools."""
        try:
            self._drop(self._spool.adopt(), "were torn when a process ended")
        except OSError as error:
            self._tell(f"The spools of other processes can't be looked at: {error.strerror or error}.")

    def _try(self, entries: Sequence[LoggedPrediction]) -> bool:
        """Write entries; False where the database is away."""
        try:
            self._write(entries)
        except DatabaseError:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return False
        except (InputError, SQLAlchemyError):
            return self._try_apart(entries)
        self.counters["written"] += len(entries)
        return True

    def _try_apart(self, entries: Sequence[LoggedPrediction]) -> bool:
        """Find the entry that the database refuses: it must not keep the others out."""
        if len(entries) == 1:
            self._drop(1, "are refused by the database")
            return True
        middle = len(entries) // 2
        return self._try(entries[:middle]) and self._try(entries[middle:])

    def _drop(self, entries: int, why: str) -> None:
        if entries:
            self.counters["dropped"] += entries
            self._tell(f"Logged predictions {why} and are dropped; /metrics counts them.")

    def _tell(self, what: str) -> None:
        """Say something in the log, once in a while however often it happens."""
        now = time.monotonic()
        if now >= self._told_at.get(what, -TELL_SECONDS) + TELL_SECONDS:
            self._told_at[what] = now
            logger.warning(what)


def _line(entry: LoggedPrediction) -> bytes | None:
    """The line of an entry; None where it can't be written as JSON."""
    try:
        return to_line(entry)
    except TypeError:
        return None
