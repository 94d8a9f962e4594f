"""Logged predictions: the record of one answer and its table in the database.

Writing in the background, and waiting while the database is unreachable, is in ``prediction_log``.
"""

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
_COLUMNS = [column.name for column in predictions.columns]


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """One answered prediction.

    Attributes:
        id: `scenario_id` or `optimization_id` of the answer.
        base_month: the last known month that the answer rests on, its first day.
        inputs: the request, JSON.
        outputs: the answer, JSON.
        made_at: with time zone.
        role: `challenger` for a shadow score or an answer of a split.
    """

    id: str
    kind: Literal["forward", "inverse"]
    studio_id: str
    base_month: str
    inputs: bytes
    outputs: bytes
    made_at: datetime
    release_version: int
    model_version: str
    data_version: str
    role: Role = "champion"


def to_json(entry: LoggedPrediction) -> bytes:
    """One JSON object.

    Raises:
        TypeError: a text is no valid Unicode.
    """
    return orjson.dumps(
        {
            "id": entry.id,
            "kind": entry.kind,
            "studio_id": entry.studio_id,
            "base_month": entry.base_month,
            "inputs": entry.inputs.decode(),
            "outputs": entry.outputs.decode(),
            "made_at": entry.made_at,
            "release_version": entry.release_version,
            "model_version": entry.model_version,
            "data_version": entry.data_version,
            "role": entry.role,
        }
    )


def from_json(content: bytes) -> LoggedPrediction:
    """The inverse of `to_json`."""
    fields = orjson.loads(content)
    return LoggedPrediction(
        **{
            **fields,
            "inputs": fields["inputs"].encode(),
            "outputs": fields["outputs"].encode(),
            "made_at": datetime.fromisoformat(fields["made_at"]),
        }
    )


class PredictionTable:
    """Logged predictions in the database."""

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
        """An entry by its id.

        Raises:
            DatabaseError: the database is away.
        """
        # As text: the digits are those of the answer.
        columns = [
            cast(column, Text) if column.name in ("inputs", "outputs") else column
            for column in predictions.columns
        ]
        query = select(*columns).where(predictions.c.id == prediction_id)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _entry(row)

    def prune(self, before: datetime) -> int:
        """Delete some of the entries made before a moment, and say how many; 0 where none is left.

        Raises:
            DatabaseError: the database is away.
        """
        with self._database.writing() as connection:
            connection.execute(delete(deletions).where(deletions.c.deleted_at < before))
            return _delete_some(connection, predictions.c.made_at < before)

    def delete_studio(self, studio_id: str) -> int:
        """Delete all entries of a studio, whatever clock dated them, and say how many.

        Raises:
            DatabaseError: the database is away; some may be gone.
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
    return (
        entry.id,
        entry.kind,
        entry.studio_id,
        entry.base_month,
        entry.inputs.decode(),
        entry.outputs.decode(),
        made_at,
        entry.release_version,
        entry.model_version,
        entry.data_version,
        entry.role,
    )


def _sqlite_moment(entry: LoggedPrediction) -> str:
    """When an entry was made, as SQLAlchemy writes it into SQLite."""
    return entry.made_at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _entry(row: Any) -> LoggedPrediction:
    fields = dict(zip(_COLUMNS, row, strict=True))
    return LoggedPrediction(
        **{
            **fields,
            "base_month": fields["base_month"].isoformat(),
            "inputs": fields["inputs"].encode(),
            "outputs": fields["outputs"].encode(),
        }
    )


@dataclass(frozen=True)
class DeletedRecords:
    """Numbers of deleted records of one studio."""

    scenarios: int
    predictions: int


class StudioRecords:
    """Saved scenarios and logged predictions of single studios.

    Args:
        database: where they are.
        flush: writes what the prediction log still holds, within some seconds.
    """

    def __init__(self, database: Database, flush: Callable[[float], bool]) -> None:
        self._database = database
        self._flush = flush

    def delete(self, studio_id: str) -> DeletedRecords:
        """Delete all records of a studio, also those that any process still has in hand.

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
        return DeletedRecords(saved, PredictionTable(self._database).delete_studio(studio_id))
