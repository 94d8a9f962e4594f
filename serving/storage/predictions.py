"""Logged predictions: the record of one answer and its table in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Connection, Text, cast, delete, insert, select, text

from serving.experiment import Role
from serving.storage.database import Database
from serving.storage.schema import deletions, predictions, scenarios

ROWS_AT_ONCE = 80
"""Rows of one statement: one hand-over of the interpreter's lock instead of one a row; SQLite before 3.32
takes 999 values."""

DELETED_AT_ONCE = 1000
FLUSH_SECONDS = 2.0
_COLUMNS = [str(column.name) for column in predictions.columns]


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """One answered prediction."""

    id: str  # `scenario_id` or `optimization_id` of the answer
    kind: Literal["forward", "inverse"]
    studio_id: str
    base_month: str  # the last known month that the answer rests on, its first day
    inputs: bytes  # the request, JSON
    outputs: bytes  # the answer, JSON
    made_at: datetime  # with time zone
    release_version: int
    model_version: str
    data_version: str
    role: Role = "champion"  # `challenger` for a shadow score or an answer of a split


def to_json(entry: LoggedPrediction) -> bytes:
    """One JSON object.

    Raises:
        TypeError: a text is no valid Unicode.
    """
    return orjson.dumps(dict(zip(_COLUMNS, _row(entry, entry.made_at), strict=True)))


def from_json(content: bytes) -> LoggedPrediction:
    """The inverse of `to_json`."""
    fields = orjson.loads(content)
    return _entry(fields | {"made_at": datetime.fromisoformat(fields["made_at"])})


class PredictionTable:
    """Logged predictions in the database.

    Raises:
        DatabaseError: the database is away; raised by every method.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        """Keep entries; one that is there already stays as it is, so that nothing is ever doubled.

        Raises:
            DatabaseError: the database is away; none of them is kept.
            InputError: a value can't be kept; none of them is.
        """
        if not entries:
            return
        made_at = _sqlite_moment if self._database.dialect == "sqlite" else attrgetter("made_at")
        with self._database.writing() as connection:
            for first in range(0, len(entries), ROWS_AT_ONCE):
                rows = [_row(entry, made_at(entry)) for entry in entries[first : first + ROWS_AT_ONCE]]
                values = tuple(chain.from_iterable(rows))
                connection.exec_driver_sql(_insertion(self._database.dialect, len(rows)), values)
            _leave_out_deleted(connection, min(entry.made_at for entry in entries))

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        """An entry by its id."""
        # As text: the digits are those of the answer.
        columns = [
            cast(column, Text) if column.name in ("inputs", "outputs") else column
            for column in predictions.columns
        ]
        query = select(*columns).where(predictions.c.id == prediction_id)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        fields = dict(zip(_COLUMNS, row, strict=True))
        return _entry(fields | {"base_month": fields["base_month"].isoformat()})

    def prune(self, before: datetime) -> int:
        """Delete some of the entries made before a moment, and say how many; 0 where none is left."""
        with self._database.writing() as connection:
            connection.execute(delete(deletions).where(deletions.c.deleted_at < before))
            return _delete_some(connection, predictions.c.made_at < before)

    def delete_studio(self, studio_id: str) -> int:
        """Delete all entries of a studio, whatever clock dated them, and say how many.

        Some may be gone where the database goes away meanwhile.
        """
        mine = predictions.c.studio_id == studio_id
        total = 0
        while True:
            with self._database.writing() as connection:
                found = _delete_some(connection, mine)
            total += found
            if found < DELETED_AT_ONCE:
                return total


def _delete_some(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Delete a few rows: a long transaction would hold up all writers."""
    some = select(predictions.c.id).where(condition).limit(DELETED_AT_ONCE)
    return connection.execute(delete(predictions).where(predictions.c.id.in_(some))).rowcount


def _leave_out_deleted(connection: Connection, since: datetime) -> None:
    """Take out again what was still on its way when its studio's records were deleted.

    After the rows are in: a deletion waits for them, or they wait for it and see it here.
    """
    query = select(deletions).where(deletions.c.deleted_at >= since)
    for studio_id, deleted_at in connection.execute(query).all():
        connection.execute(
            delete(predictions).where(
                predictions.c.studio_id == studio_id, predictions.c.made_at <= deleted_at
            )
        )


@cache
def _insertion(dialect: str, rows: int) -> str:
    mark = "?" if dialect == "sqlite" else "%s"
    row = f"({', '.join([mark] * len(_COLUMNS))})"
    return (
        f"INSERT INTO predictions ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)}"  # noqa: S608
        " ON CONFLICT (id) DO NOTHING"
    )


def _row(entry: LoggedPrediction, made_at: datetime | str) -> tuple[Any, ...]:
    """The values of `_COLUMNS`."""
    versions = entry.release_version, entry.model_version, entry.data_version
    texts = entry.inputs.decode(), entry.outputs.decode()
    return entry.id, entry.kind, entry.studio_id, entry.base_month, *texts, made_at, *versions, entry.role


def _sqlite_moment(entry: LoggedPrediction) -> str:
    """When an entry was made, as SQLAlchemy writes it into SQLite."""
    return entry.made_at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _entry(fields: dict[str, Any]) -> LoggedPrediction:
    texts = {name: fields[name].encode() for name in ("inputs", "outputs")}
    return LoggedPrediction(**(fields | texts))


class StudioRecords:
    """Saved scenarios and logged predictions of single studios.

    `flush` writes what the prediction log still holds, within some seconds.
    """

    def __init__(self, database: Database, flush: Callable[[float], bool]) -> None:
        self._database, self._flush = database, flush

    def delete(self, studio_id: str) -> dict[str, int]:
        """Delete all records of a studio, also those that any process still has in hand, and count them.

        Raises:
            DatabaseError: the database is away; some may be gone, and it can be asked again.
        """
        self._flush(FLUSH_SECONDS)
        until = datetime.now(UTC)
        with self._database.writing() as connection:
            if self._database.dialect == "postgresql":
                # Entries that are being written are seen below; later ones see the deletion.
                connection.execute(text("LOCK TABLE predictions IN SHARE ROW EXCLUSIVE MODE"))
            connection.execute(delete(deletions).where(deletions.c.studio_id == studio_id))
            connection.execute(insert(deletions).values(studio_id=studio_id, deleted_at=until))
            saved = connection.execute(delete(scenarios).where(scenarios.c.studio_id == studio_id)).rowcount
        return {"scenarios": saved, "predictions": PredictionTable(self._database).delete_studio(studio_id)}
