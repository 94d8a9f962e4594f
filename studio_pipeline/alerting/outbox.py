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
from dataclasses import dataclass, field
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
CONDITION = "key, name, title, sign, begun_at, told_at"

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
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Run the block in one exclusive transaction; the file and its tables are created if they don't exist.

    Raises:
        StorageError: the file can't be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
            if database.execute("PRAGMA user_version").fetchone()[0] == 0:
                database.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = 1; COMMIT;")
            database.execute("BEGIN IMMEDIATE")
            with database:
                yield database
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"The outbox of alerts {path} can't be used: {error}.",
            "Free the disk or correct its permissions; a damaged file can be moved away, with all it holds.",
        ) from error


def take_source(database: sqlite3.Connection, source: str, now: datetime) -> bool:
    """Record that a source was processed; False if it had been before."""
    if has_source(database, source):
        return False
    database.execute("INSERT INTO sources VALUES (?, ?)", (source, now.isoformat()))
    return True


def has_source(database: sqlite3.Connection, source: str) -> bool:
    """Check whether a source was processed."""
    return database.execute("SELECT 1 FROM sources WHERE source = ?", (source,)).fetchone() is not None


def condition_of(row: tuple[str, ...]) -> OpenCondition:
    """The condition of a row with the columns of `CONDITION`."""
    key, name, title, sign, begun_at, told_at = row
    return OpenCondition(
        key, name, title, sign, datetime.fromisoformat(begun_at), datetime.fromisoformat(told_at)
    )


def apply_observation(
    database: sqlite3.Connection, seen: Observation, now: datetime, repeat: timedelta
) -> Message | None:
    """Update the condition of an observation; returns the message to send, if any."""
    row = database.execute(f"SELECT {CONDITION} FROM conditions WHERE key = ?", (seen.key,)).fetchone()  # noqa: S608 - a constant
    known = None if row is None else condition_of(row)
    news = judge(known, seen, now, repeat)
    if news is News.NOTHING:
        return None
    condition = after(news, known, seen, now)
    database.execute("DELETE FROM conditions WHERE key = ?", (seen.key,))
    if condition is not None:
        values = (condition.key, condition.name, condition.title, condition.sign)
        times = (condition.begun_at.isoformat(), condition.told_at.isoformat())
        database.execute("INSERT INTO conditions VALUES (?, ?, ?, ?, ?, ?)", (*values, *times))
    return message_of(news, known, seen)


def write_message(
    database: sqlite3.Connection, message: Message, channels: Iterable[str], now: datetime
) -> None:
    """Store a message for delivery to each of the channels."""
    number = database.execute(
        "INSERT INTO messages (written_at, content) VALUES (?, ?)", (now.isoformat(), message.to_json())
    ).lastrowid
    database.executemany("INSERT INTO waiting VALUES (?, ?)", [(name, number) for name in channels])


FILE_NAME = "alerts.db"
KEPT_DAYS = 40
"""Days for which processed sources are kept, and messages that are delivered or for an unset channel."""


_CHANNEL_OF = "key LIKE 'channel:%' AND substr(key, 9)"


@dataclass(frozen=True)
class Outage:
    """A channel whose last attempt failed.

    Attributes:
        channel: its name.
        since: time of the first failed attempt, aware.
        attempts: number of failed attempts since then.
        next_at: time of the next attempt, aware.
        reason: of the last failure; contains no secret.
    """

    channel: str
    since: datetime
    attempts: int
    next_at: datetime
    reason: str


@dataclass(frozen=True)
class Report:
    """Observations and messages of one source.

    Attributes:
        source: a name that is processed once; empty for a source that reports repeatedly.
        observations: in the order in which they were made.
        messages: to send in any case.
        marks: values to store with it.
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
        """Process the report of a source and write the resulting messages, in one transaction.

        Args:
            report: its observations are applied in order to the open conditions.
            channels: names of the channels that each message is sent to.
            now: aware.
            repeat: time after which a lasting condition is sent again.

        Returns:
            True if the source was new.
        """
        with transaction(self.path) as database:
            if report.source and not take_source(database, report.source, now):
                return False
            messages = [apply_observation(database, seen, now, repeat) for seen in report.observations]
            for message in (*filter(None, messages), *report.messages):
                write_message(database, message, channels, now)
            for name, value in report.marks.items():
                database.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))
            return True

    def has_taken(self, sources: Iterable[str]) -> set[str]:
        """Those of `sources` that were processed."""
        with transaction(self.path) as database:
            return {name for name in sources if has_source(database, name)}

    def mark(self, name: str) -> str | None:
        """A value stored by `take`; None if there is none."""
        with transaction(self.path) as database:
            row = database.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
            return None if row is None else str(row[0])

    def open_conditions(self) -> list[OpenCondition]:
        """Conditions that have begun and not ended, the oldest first."""
        with transaction(self.path) as database:
            rows = database.execute(f"SELECT {CONDITION} FROM conditions ORDER BY begun_at, key").fetchall()  # noqa: S608 - a constant
            return [condition_of(row) for row in rows]

    def next_message(self, channel: str) -> tuple[int, Message] | None:
        """Number and content of the oldest message that waits for a channel; None if there is none."""
        with transaction(self.path) as database:
            row = database.execute(
                "SELECT id, content FROM waiting JOIN messages ON id = message_id"
                " WHERE channel = ? ORDER BY id LIMIT 1",
                (channel,),
            ).fetchone()
            return None if row is None else (int(row[0]), Message.from_json(row[1]))

    def delivered(self, channel: str, number: int) -> None:
        """Record that a channel took a message: it no longer waits, and the channel's outage ends."""
        with transaction(self.path) as database:
            database.execute("DELETE FROM waiting WHERE channel = ? AND message_id = ?", (channel, number))
            database.execute("DELETE FROM outages WHERE channel = ?", (channel,))

    def failed(self, outage: Outage) -> None:
        """Record that a channel did not take a message."""
        with transaction(self.path) as database:
            database.execute(
                "INSERT OR REPLACE INTO outages VALUES (?, ?, ?, ?, ?)",
                (
                    outage.channel,
                    outage.since.isoformat(),
                    outage.attempts,
                    outage.next_at.isoformat(),
                    outage.reason,
                ),
            )

    def outages(self) -> dict[str, Outage]:
        """Channels whose last attempt failed, by name."""
        with transaction(self.path) as database:
            rows = database.execute(
                "SELECT channel, since, attempts, next_at, reason FROM outages"
            ).fetchall()
        return {
            name: Outage(
                name, datetime.fromisoformat(since), attempts, datetime.fromisoformat(next_at), reason
            )
            for name, since, attempts, next_at, reason in rows
        }

    def waiting(self) -> dict[str, int]:
        """Number of waiting messages of each channel that has any."""
        with transaction(self.path) as database:
            return dict(database.execute("SELECT channel, count(*) FROM waiting GROUP BY channel").fetchall())

    def prune(self, channels: Iterable[str], now: datetime) -> None:
        """Delete entries older than 40 days that wait for none of `channels`, and data of other channels."""
        before, names = (now - timedelta(days=KEPT_DAYS)).isoformat(), list(channels)
        unset = f"channel NOT IN ({','.join('?' * len(names))})"
        old = "SELECT id FROM messages WHERE written_at < ?"
        with transaction(self.path) as database:
            database.execute("DELETE FROM sources WHERE taken_at < ?", (before,))
            database.execute(f"DELETE FROM conditions WHERE {_CHANNEL_OF} {unset[8:]}", names)  # noqa: S608
            database.execute(f"DELETE FROM outages WHERE {unset}", names)  # noqa: S608 - question marks
            database.execute(f"DELETE FROM waiting WHERE {unset} AND message_id IN ({old})", (*names, before))  # noqa: S608
            database.execute(
                "DELETE FROM messages WHERE written_at < ? AND id NOT IN (SELECT message_id FROM waiting)",
                (before,),
            )


def _outage(channel: str, since: str, attempts: int, next_at: str, reason: str) -> Outage:
    return Outage(channel, datetime.fromisoformat(since), attempts, datetime.fromisoformat(next_at), reason)
