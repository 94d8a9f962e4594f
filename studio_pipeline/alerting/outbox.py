"""Outbox: open conditions and undelivered messages, in one SQLite file of STUDIO_HOME.

Invariants:
    - a source of observations, what they change and the messages that tell it are committed together or not
      at all, so a kill at any moment neither loses nor doubles a message;
    - a source (a run that ended, a day's heartbeat) is taken once, whoever comes with it again;
    - a channel's messages are handed out in the order in which they were written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from studio_pipeline.alerting.conditions import News, Observation, OpenCondition, after, judge, told
from studio_pipeline.alerting.messages import Message
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
    """All of the block or nothing, one at a time; the file and its tables are made where there are none.

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
    """Note that a source was taken; False if it had been."""
    if has_source(database, source):
        return False
    database.execute("INSERT INTO sources VALUES (?, ?)", (source, now.isoformat()))
    return True


def has_source(database: sqlite3.Connection, source: str) -> bool:
    """Whether a source was taken."""
    return database.execute("SELECT 1 FROM sources WHERE source = ?", (source,)).fetchone() is not None


def condition_of(row: tuple[str, ...]) -> OpenCondition:
    """A row of CONDITION."""
    key, name, title, sign, begun_at, told_at = row
    return OpenCondition(
        key, name, title, sign, datetime.fromisoformat(begun_at), datetime.fromisoformat(told_at)
    )


def apply_observation(
    database: sqlite3.Connection, seen: Observation, now: datetime, repeat: timedelta
) -> Message | None:
    """Bring the condition up to date; the message that tells it, if any."""
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
    return told(news, known, seen)


def write_message(
    database: sqlite3.Connection, message: Message, channels: Iterable[str], now: datetime
) -> None:
    """Write a message that waits for each of the channels."""
    number = database.execute(
        "INSERT INTO messages (written_at, content) VALUES (?, ?)", (now.isoformat(), message.to_json())
    ).lastrowid
    database.executemany("INSERT INTO waiting VALUES (?, ?)", [(name, number) for name in channels])


FILE_NAME = "alerts.db"
KEPT_DAYS = 40
"""Sources taken, and messages delivered or for a channel that is no longer set, are kept this long."""


_CHANNEL_OF = "key LIKE 'channel:%' AND substr(key, 9)"


@dataclass(frozen=True)
class Outage:
    """A channel whose last attempt failed.

    Attributes:
        channel: its name.
        since: of the first attempt that failed, aware.
        attempts: that failed since.
        next_at: when it is tried again, aware.
        reason: of the last failure; holds no secret.
    """

    channel: str
    since: datetime
    attempts: int
    next_at: datetime
    reason: str


@dataclass(frozen=True)
class Report:
    """What one source says.

    Attributes:
        source: a name that is taken once; empty for a source that comes again and again.
        observations: in the order in which they were made.
        messages: to tell in any case.
        marks: values to remember with it.
    """

    source: str = ""
    observations: Iterable[Observation] = ()
    messages: Iterable[Message] = ()
    marks: Mapping[str, str] = field(default_factory=dict)


class Outbox:
    """Open conditions, and messages by channel, in `home`/alerts.db; usable by several processes at once.

    Raises:
        StorageError: from every method: the file can't be read or written.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE_NAME

    def take(
        self,
        report: Report,
        channels: Iterable[str],
        now: datetime,
        repeat: timedelta = timedelta(days=1),
    ) -> bool:
        """Take what a source says and write the messages that tell it, in one transaction.

        Args:
            report: its observations are judged in order against the open conditions.
            channels: that each message waits for.
            now: aware.
            repeat: after which a condition that lasts is told again.

        Returns:
            Whether the source was new.
        """
        with transaction(self.path) as database:
            if report.source and not take_source(database, report.source, now):
                return False
            told = [apply_observation(database, seen, now, repeat) for seen in report.observations]
            for message in (*filter(None, told), *report.messages):
                write_message(database, message, channels, now)
            for name, value in report.marks.items():
                database.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))
            return True

    def has_taken(self, sources: Iterable[str]) -> set[str]:
        """Those of `sources` that were taken."""
        with transaction(self.path) as database:
            return {name for name in sources if has_source(database, name)}

    def mark(self, name: str) -> str | None:
        """A value remembered by `take`."""
        with transaction(self.path) as database:
            row = database.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
            return None if row is None else str(row[0])

    def open_conditions(self) -> list[OpenCondition]:
        """What has begun and not ended, the oldest first."""
        with transaction(self.path) as database:
            rows = database.execute(f"SELECT {CONDITION} FROM conditions ORDER BY begun_at, key").fetchall()  # noqa: S608 - a constant
            return [condition_of(row) for row in rows]

    def next_message(self, channel: str) -> tuple[int, Message] | None:
        """Number and content of the oldest message that waits for a channel."""
        with transaction(self.path) as database:
            row = database.execute(
                "SELECT id, content FROM waiting JOIN messages ON id = message_id"
                " WHERE channel = ? ORDER BY id LIMIT 1",
                (channel,),
            ).fetchone()
            return None if row is None else (int(row[0]), Message.from_json(row[1]))

    def delivered(self, channel: str, number: int) -> None:
        """Note that a channel took a message: it no longer waits, and the channel works."""
        with transaction(self.path) as database:
            database.execute("DELETE FROM waiting WHERE channel = ? AND message_id = ?", (channel, number))
            database.execute("DELETE FROM outages WHERE channel = ?", (channel,))

    def failed(self, outage: Outage) -> None:
        """Note that a channel did not take a message."""
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
        """How many messages wait for each channel that has any."""
        with transaction(self.path) as database:
            return dict(database.execute("SELECT channel, count(*) FROM waiting GROUP BY channel").fetchall())

    def prune(self, channels: Iterable[str], now: datetime) -> None:
        """Drop what is older than 40 days and waits for none of `channels`."""
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
