"""Outbox: open conditions and undelivered messages, in one SQLite file of STUDIO_HOME.

Invariants:
    - a source of observations, its changes to conditions and the resulting messages are committed in one
      transaction, so a kill at any moment neither loses nor duplicates a message;
    - a source (a run that ended, a day's heartbeat) is processed once, whichever process reports it again;
    - the messages of a channel are returned in the order in which they were written.

The rules for conditions are in `conditions`; sending is in `delivery`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from studio_pipeline.alerting.conditions import (
    Message,
    News,
    Observation,
    OpenCondition,
    after,
    judge,
    message_of,
)
from studio_pipeline.errors import StorageError

BUSY_SECONDS = 20.0
TABLES = """
CREATE TABLE IF NOT EXISTS sources (source TEXT PRIMARY KEY, taken_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS conditions (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL, sign TEXT NOT NULL,
    begun_at TEXT NOT NULL, told_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, written_at TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS waiting (
    channel TEXT NOT NULL, message_id INTEGER NOT NULL, PRIMARY KEY (channel, message_id));
CREATE TABLE IF NOT EXISTS outages (
    channel TEXT PRIMARY KEY, since TEXT NOT NULL, attempts INTEGER NOT NULL, next_at TEXT NOT NULL,
    reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@contextmanager
def _transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Run the block in one exclusive transaction; the file and its tables are created if they don't exist."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
            if database.execute("PRAGMA user_version").fetchone()[0] == 0:
                database.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = 1; COMMIT;")
            database.execute("BEGIN IMMEDIATE")
            with database:
                yield database
    except (sqlite3.Error, OSError) as error:
        what = f"The outbox of alerts {path} can't be used: {error}."
        remedy = (
            "Free the disk or correct its permissions; a damaged file can be moved away, with all it holds."
        )
        raise StorageError(what, remedy) from error


def _condition_of(row: tuple[str, ...]) -> OpenCondition:
    key, name, title, sign, *times = row
    return OpenCondition(key, name, title, sign, *map(datetime.fromisoformat, times))


def _apply_observation(
    database: sqlite3.Connection, seen: Observation, now: datetime, repeat: timedelta
) -> Message | None:
    """Update the condition of an observation; returns the message to send, if any."""
    row = database.execute("SELECT * FROM conditions WHERE key = ?", (seen.key,)).fetchone()
    known = None if row is None else _condition_of(row)
    news = judge(known, seen, now, repeat)
    if news is News.NOTHING:
        return None
    database.execute("DELETE FROM conditions WHERE key = ?", (seen.key,))
    if (condition := after(news, known, seen, now)) is not None:
        values = [v.isoformat() if isinstance(v, datetime) else v for v in astuple(condition)]
        database.execute("INSERT INTO conditions VALUES (?, ?, ?, ?, ?, ?)", values)
    return message_of(news, known, seen)


FILE_NAME = "alerts.db"
KEPT_DAYS = 40
"""Days for which processed sources are kept, and messages that are delivered or for an unset channel."""


@dataclass(frozen=True)
class Outage:
    """A channel that fails since a time, its attempts so far, the time of the next one, and the reason."""

    channel: str
    since: datetime
    attempts: int
    next_at: datetime
    reason: str


@dataclass(frozen=True)
class Report:
    """Observations in order and messages of one source, and values to store with it.

    A source with a name is processed once; the name is empty for one that reports repeatedly.
    """

    source: str = ""
    observations: Iterable[Observation] = ()
    messages: Iterable[Message] = ()
    marks: Mapping[str, str] = field(default_factory=dict)


class Outbox:
    """Open conditions, and messages by channel, in `home`/alerts.db; several processes may use it at once.

    Raises:
        StorageError: from every method: the file can't be read or written.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE_NAME

    def take(
        self, report: Report, channels: Iterable[str], now: datetime, repeat: timedelta = timedelta(days=1)
    ) -> bool:
        """Process a report and write the resulting messages for all channels, in one transaction.

        A lasting condition is sent again after `repeat`. Returns True if the source was new.
        """
        with _transaction(self.path) as database:
            source = "INSERT OR IGNORE INTO sources VALUES (?, ?)"
            if report.source and not database.execute(source, (report.source, now.isoformat())).rowcount:
                return False
            messages = [_apply_observation(database, seen, now, repeat) for seen in report.observations]
            for message in (*filter(None, messages), *report.messages):
                written = "INSERT INTO messages (written_at, content) VALUES (?, ?)"
                number = database.execute(written, (now.isoformat(), message.to_json())).lastrowid
                database.executemany(
                    "INSERT INTO waiting VALUES (?, ?)", [(name, number) for name in channels]
                )
            for name, value in report.marks.items():
                database.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))
            return True

    def has_taken(self, sources: Iterable[str]) -> set[str]:
        """Those of `sources` that were processed."""
        query = "SELECT 1 FROM sources WHERE source = ?"
        with _transaction(self.path) as database:
            return {name for name in sources if database.execute(query, (name,)).fetchone()}

    def mark(self, name: str) -> str | None:
        """A value stored by `take`; None if there is none."""
        with _transaction(self.path) as database:
            row = database.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
            return None if row is None else str(row[0])

    def open_conditions(self) -> list[OpenCondition]:
        """Conditions that have begun and not ended, the oldest first."""
        with _transaction(self.path) as database:
            rows = database.execute("SELECT * FROM conditions ORDER BY begun_at, key").fetchall()
            return [_condition_of(row) for row in rows]

    def next_message(self, channel: str) -> tuple[int, Message] | None:
        """Number and content of the oldest message that waits for a channel; None if there is none."""
        with _transaction(self.path) as database:
            waiting = "SELECT id, content FROM waiting JOIN messages ON id = message_id"
            query = f"{waiting} WHERE channel = ? ORDER BY id LIMIT 1"
            row = database.execute(query, (channel,)).fetchone()
            return None if row is None else (int(row[0]), Message.from_json(row[1]))

    def delivered(self, channel: str, number: int) -> None:
        """Record that a channel took a message: it no longer waits, and the channel's outage ends."""
        with _transaction(self.path) as database:
            database.execute("DELETE FROM waiting WHERE channel = ? AND message_id = ?", (channel, number))
            database.execute("DELETE FROM outages WHERE channel = ?", (channel,))

    def failed(self, outage: Outage) -> None:
        """Record that a channel did not take a message."""
        with _transaction(self.path) as database:
            values = [v.isoformat() if isinstance(v, datetime) else v for v in astuple(outage)]
            database.execute("INSERT OR REPLACE INTO outages VALUES (?, ?, ?, ?, ?)", values)

    def outages(self) -> dict[str, Outage]:
        """Channels whose last attempt failed, by name."""
        with _transaction(self.path) as database:
            rows = database.execute("SELECT * FROM outages").fetchall()
        time = datetime.fromisoformat
        return {
            name: Outage(name, time(since), attempts, time(next_at), reason)
            for name, since, attempts, next_at, reason in rows
        }

    def waiting(self) -> dict[str, int]:
        """Number of waiting messages of each channel that has any."""
        with _transaction(self.path) as database:
            return dict(database.execute("SELECT channel, count(*) FROM waiting GROUP BY channel").fetchall())

    def prune(self, channels: Iterable[str], now: datetime) -> None:
        """Delete entries older than 40 days that wait for none of `channels`, and data of other channels."""
        before, names = (now - timedelta(days=KEPT_DAYS)).isoformat(), list(channels)
        unset = f"NOT IN ({','.join('?' * len(names))})"
        of_channel = "key LIKE 'channel:%' AND substr(key, 9)"
        old = "SELECT id FROM messages WHERE written_at < ?"
        delivered = "DELETE FROM messages WHERE written_at < ? AND id NOT IN (SELECT message_id FROM waiting)"
        with _transaction(self.path) as database:
            database.execute("DELETE FROM sources WHERE taken_at < ?", (before,))
            database.execute(f"DELETE FROM conditions WHERE {of_channel} {unset}", names)  # noqa: S608
            database.execute(f"DELETE FROM outages WHERE channel {unset}", names)  # noqa: S608 - question marks
            waiting = f"DELETE FROM waiting WHERE channel {unset} AND message_id IN ({old})"  # noqa: S608
            database.execute(waiting, (*names, before))
            database.execute(delivered, (before,))
