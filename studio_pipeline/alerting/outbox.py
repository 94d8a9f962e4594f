"""The outbox: open conditions and messages not yet delivered, in one SQLite file of STUDIO_HOME.

Invariants:
    - a source of observations, what they change and the messages that tell it are committed together or not
      at all, so a kill at any moment neither loses nor doubles a message;
    - a source (a run that ended, a day's heartbeat) is taken once, whoever comes with it again;
    - a channel's messages are handed out in the order in which they were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from studio_pipeline.alerting.conditions import Observation, OpenCondition
from studio_pipeline.alerting.messages import Message
from studio_pipeline.alerting.outbox_tables import (
    CONDITION,
    apply_observation,
    condition_of,
    has_source,
    take_source,
    transaction,
    write_message,
)

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
