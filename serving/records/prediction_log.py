"""The log of predictions: an answer is noted in memory at once, and written in the background."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Event, Lock, Thread
from typing import Protocol

from serving.background import LOWERED_PRIORITY, LOWEST_PRIORITY, give_way
from serving.memory import give_back_freed_memory
from serving.records.logged_prediction import LoggedPrediction, from_line
from serving.records.prediction_delivery import AT_ONCE, Delivery, Write
from serving.records.prediction_spool import PredictionSpool
from studio_pipeline.errors import DatabaseError

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
CLOSE_SECONDS = 5.0
UPKEEP_SECONDS = 600.0
MAX_QUEUED_BYTES = 64 * 2**20
"""What may wait in memory while the database is slow to refuse; some twenty thousand answers."""

CROWD = 8 * AT_ONCE
"""So many entries may wait for a core to become free; from then on they are written beside the answers."""

FEW = 80
"""Entries of one transaction where a core is free: whoever has next to no turns must soon let go of them."""

BURST = 4 * AT_ONCE
"""Entries one after the other: what they took goes back to the machine."""

POLL_SECONDS = 0.05
FIND_SECONDS = 1.0
"""How long an entry of another process may take to get to the database."""


class PredictionStore(Protocol):
    """Where logged predictions end up."""

    @property
    def write(self) -> Write:
        """Keep entries."""

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        """An entry by its id."""

    def prune(self, before: datetime) -> int:
        """Delete some of the entries made before a moment, and say how many."""


class PredictionLog:
    """Takes predictions without ever holding up or failing an answer.

    Two threads write, in turn: one a few entries at a time where a core has nothing else to do, as answers
    that come while entries are written take longer by milliseconds; and one that does not wait for that, for
    all that presses: a crowd of entries, somebody who waits for them, the spool, upkeep, and the end.

    Args:
        store: where they end up.
        spool: for the time while that is away.
        retention_days: older entries are deleted; 0 keeps them for ever.

    Attributes:
        counters: entries `written` to the database, `spooled` on the way, and `dropped` for good.
    """

    def __init__(self, store: PredictionStore, spool: PredictionSpool, retention_days: int = 0) -> None:
        self._store = store
        self._spool = spool
        self._delivery = Delivery(store.write, spool)
        self._retention_days = retention_days
        self._upkeep_at = time.monotonic()
        self._lock = Lock()
        self._queue: dict[str, LoggedPrediction] = {}
        self._queued_bytes = 0
        self._noted = self._done = 0
        self._on_the_way: dict[str, LoggedPrediction] = {}
        self._wake, self._pressing, self._caught_up = Event(), Event(), Event()
        self._writing = Lock()
        self._ends = False
        self._threads = [
            Thread(target=run, name=name, daemon=True)
            for name, run in (("prediction-log", self._run), ("prediction-log-idle", self._run_when_idle))
        ]

    @property
    def counters(self) -> Mapping[str, int]:
        """Entries since the start, by what became of them."""
        return self._delivery.counters

    @property
    def queue_length(self) -> int:
        """Entries in memory."""
        return len(self._queue) + len(self._on_the_way)

    @property
    def spool_length(self) -> int:
        """Entries in the spool files of this process."""
        return len(self._spool)

    def start(self) -> None:
        """Begin to write."""
        for thread in self._threads:
            thread.start()

    def add(self, entry: LoggedPrediction) -> None:
        """Note one prediction; it never waits and never raises."""
        size = _size(entry)
        with self._lock:
            if self._queued_bytes + size > MAX_QUEUED_BYTES:
                self._delivery.counters["dropped"] += 1
                return
            self._queue[entry.id] = entry
            self._queued_bytes += size
            self._noted += 1
        if len(self._queue) == AT_ONCE:
            self._wake.set()
        elif len(self._queue) >= CROWD:
            self._pressing.set()

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        """A prediction by its id, also one that another process has just made; it may wait for that.

        Raises:
            DatabaseError: it is not in this process's hands, and the database is away.
        """
        deadline = time.monotonic() + FIND_SECONDS
        while True:
            found = self._find_here(prediction_id) or self._store.find(prediction_id)
            if found is not None or time.monotonic() > deadline:
                return found
            time.sleep(POLL_SECONDS)

    def flush(self, seconds: float) -> bool:
        """Wait until all that was noted so far is in the database; False where that takes longer."""
        deadline = time.monotonic() + seconds
        noted = self._noted
        while self._done < noted or self.spool_length:
            if time.monotonic() > deadline:
                return False
            self._caught_up.clear()
            self._pressing.set()
            self._caught_up.wait(max(0.0, deadline - time.monotonic()))
            if self.spool_length:
                time.sleep(POLL_SECONDS)
        return True

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is left, or spool it where the database does not take it in time."""
        deadline = time.monotonic() + seconds
        self._ends = True
        self._wake.set()
        self._pressing.set()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            left = [*self._on_the_way.values(), *self._queue.values()]
        if left:
            # What the database takes after all is not doubled when the spool is delivered.
            self._delivery.spool(left)
        self._spool.close()

    def _find_here(self, prediction_id: str) -> LoggedPrediction | None:
        with self._lock:
            found = self._queue.get(prediction_id) or self._on_the_way.get(prediction_id)
        if found is not None:
            return found
        line = self._spool.find(b'"id":"%s"' % prediction_id.encode())
        return None if line is None else from_line(line)

    def _run(self) -> None:
        give_way(LOWERED_PRIORITY)
        while True:
            self._pressing.wait(FLUSH_SECONDS)
            ends = self._ends
            if self._something_presses():
                if self._write_all(AT_ONCE) > BURST:
                    give_back_freed_memory()
                self._look_after()
                self._pressing.clear()
                if self._ends or len(self._queue) >= CROWD:
                    # It may have been told so just before.
                    self._pressing.set()
                self._caught_up.set()
            if ends:
                return

    def _run_when_idle(self) -> None:
        give_way(LOWEST_PRIORITY)
        while not self._ends:
            self._write_all(FEW, leaves_what_presses=True)
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()

    def _something_presses(self) -> bool:
        """Whether what waits can't wait for an idle core."""
        is_due = time.monotonic() >= self._upkeep_at
        return self._ends or self._pressing.is_set() or self.spool_length > 0 or is_due

    def _write_all(self, at_once: int, *, leaves_what_presses: bool = False) -> int:
        """Write what is there, and say how many; those that come meanwhile are left for the next time, lest
        they be written one by one for ever.
        """
        written, some = 0, at_once
        while some == at_once:
            some = self._write_some(at_once, leaves_what_presses=leaves_what_presses)
            written += some
        return written

    def _write_some(self, at_once: int, *, leaves_what_presses: bool) -> int:
        """Write the oldest entries, and say how many; 0 where there are none, or where they are left to the
        other thread.
        """
        with self._writing:
            if leaves_what_presses and self._something_presses():
                return 0
            with self._lock:
                self._on_the_way = dict(islice(self._queue.items(), at_once))
                for name, entry in self._on_the_way.items():
                    del self._queue[name]
                    self._queued_bytes -= _size(entry)
            taken = len(self._on_the_way)
            if not taken:
                return 0
            try:
                self._delivery.deliver(list(self._on_the_way.values()))
            # Whatever goes wrong with one batch, the next ones are still written.
            except Exception:
                logger.exception("%d logged predictions are lost.", taken)
                self._delivery.counters["dropped"] += taken
            self._on_the_way = {}
            self._done += taken
            return taken

    def _look_after(self) -> None:
        """Bring in what waits in spools, and now and then what others left there; delete what is old."""
        with self._writing:
            try:
                self._delivery.catch_up()
                if time.monotonic() >= self._upkeep_at:
                    self._delivery.adopt()
                    if not self._prune():
                        self._upkeep_at = time.monotonic() + UPKEEP_SECONDS
            # As above: the log goes on.
            except Exception:
                logger.exception("The spools could not be looked after.")

    def _prune(self) -> int:
        """Delete some of the old entries, and say how many; the next look takes more, until none is left."""
        if not self._retention_days:
            return 0
        try:
            return self._store.prune(datetime.now(UTC) - timedelta(days=self._retention_days))
        except DatabaseError:
            return 0


def _size(entry: LoggedPrediction) -> int:
    """Bytes of an entry that count."""
    return len(entry.inputs) + len(entry.outputs)
