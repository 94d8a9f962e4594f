"""The tables behind the outbox, and a transaction on them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
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
