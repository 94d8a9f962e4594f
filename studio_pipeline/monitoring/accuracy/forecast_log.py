"""Read-only access to the service's tables of logged predictions, saved scenarios and deletions, in batches.

The columns are declared again here because `studio_pipeline` does not import `serving`; a test compares them
with the service's own tables. An unreachable database or missing tables are reported in `Reading.problem`,
not raised. `logged_forecasts` parses the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Engine,
    MetaData,
    Table,
    Text,
    cast,
    create_engine,
    make_url,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import Select

BATCH_ROWS = 2000
"""Logged answers in memory at once, a few kilobytes each."""

_SECONDS = 60
_IDS_AT_ONCE = 500
_metadata = MetaData()

predictions = Table(
    "predictions",
    _metadata,
    Column("kind", Text),
    Column("studio_id", Text),
    Column("base_month", Date),
    Column("inputs", Text),
    Column("outputs", Text),
    Column("made_at", DateTime(timezone=True)),
    Column("model_version", Text),
    Column("role", Text),
)
scenarios = Table(
    "scenarios",
    _metadata,
    Column("id", Text),
    Column("name", Text),
    Column("studio_id", Text),
    Column("kind", Text),
    Column("request", Text),
    Column("answer", Text),
    Column("model_version", Text),
    Column("base_month", Date),
    Column("created_at", DateTime(timezone=True)),
)
deletions = Table(
    "deletions", _metadata, Column("studio_id", Text), Column("deleted_at", DateTime(timezone=True))
)
_JSON = ("inputs", "outputs", "request", "answer")


@dataclass
class Reading:
    """Status of reading the log.

    Attributes:
        problem: one sentence; "" if everything was read.
    """

    problem: str = field(default="")


class ForecastLog:
    """The service's own tables, read only.

    Args:
        url: value of the setting STUDIO_DATABASE_URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def answers(self, reading: Reading, since: datetime | None = None) -> Iterator[list[Any]]:
        """Logged forward answers in batches, in no particular order, JSON as text.

        Args:
            reading: its `problem` is set if reading stopped early.
            since: only those made from then on, UTC without zone; None for all.
        """
        query = select(*_texts(predictions)).where(predictions.c.kind == "forward")
        if since is not None:
            query = query.where(predictions.c.made_at >= since.replace(tzinfo=UTC))
        yield from self._batches(query, reading)

    def saved(self, reading: Reading, most: int) -> list[Any]:
        """The newest saved forward scenarios, at most `most` of them, JSON as text."""
        query = select(*_texts(scenarios)).where(scenarios.c.kind == "forward")
        query = query.order_by(scenarios.c.created_at.desc(), scenarios.c.id.desc()).limit(most)
        return [row for batch in self._batches(query, reading) for row in batch]

    def existing(self, reading: Reading, scenario_ids: Sequence[str]) -> set[str]:
        """Those of the given scenario ids that are still saved."""
        found: set[str] = set()
        for first in range(0, len(scenario_ids), _IDS_AT_ONCE):
            some = scenario_ids[first : first + _IDS_AT_ONCE]
            rows = self._batches(select(scenarios.c.id).where(scenarios.c.id.in_(some)), reading)
            found.update(row.id for batch in rows for row in batch)
        return found

    def deleted(self, reading: Reading) -> dict[str, datetime]:
        """Map each studio to the time, UTC without zone, at which its records were last deleted."""
        rows = self._batches(select(*_texts(deletions)), reading)
        return {row.studio_id: moment(row.deleted_at) for batch in rows for row in batch}

    def _batches(self, query: Select[Any], reading: Reading) -> Iterator[list[Any]]:
        if not _is_there(self._url):
            reading.problem = "The service has not logged anything yet: its database is not there."
            return
        engine = _read_only(self._url)
        try:
            with engine.connect() as connection:
                streaming = connection.execution_options(stream_results=True, yield_per=BATCH_ROWS)
                for batch in streaming.execute(query).partitions():
                    yield list(batch)
        except SQLAlchemyError as error:
            reading.problem = (
                f"The service's database could not be read ({type(error).__name__}): its tables are not there"
                " yet, or it is away. What was read before stands."
            )
        finally:
            engine.dispose()


def moment(value: datetime) -> datetime:
    """Convert a timestamp of the log to UTC, without zone."""
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def _texts(table: Table) -> list[Any]:
    """The columns, JSON as the text it is stored as."""
    return [cast(c, Text).label(c.name) if c.name in _JSON else c for c in table.columns]


def _is_there(url: str) -> bool:
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()


def _read_only(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "").as_uri()
        return create_engine(
            parsed.set(database=f"{path}?mode=ro", query={"uri": "true"}), connect_args={"timeout": _SECONDS}
        )
    limits = f"-c statement_timeout={_SECONDS}s -c timezone=UTC -c default_transaction_read_only=on"
    options = f"{limits} {parsed.query.get('options', '')}".strip()
    # The service also accepts a plain postgres:// URL, which SQLAlchemy does not.
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"), connect_args={"options": options, "connect_timeout": 3}
    )
