"""Saved scenarios, forward requests with their answers: storage, lookup, deletion, and pages with cursors."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Text, delete, insert, select, text, tuple_
from sqlalchemy.exc import IntegrityError

from serving.storage.database import Database
from serving.storage.schema import UtcDateTime, scenarios
from studio_pipeline.errors import InputError, UnknownScenarioError

ROWS_AT_ONCE = 200

MOST_STUDIOS = 900  # so many a query can name: SQLite before 3.32 takes 999 values
_KEY = tuple_(scenarios.c.created_at, scenarios.c.id)
_NEWEST_FIRST = (scenarios.c.created_at.desc(), scenarios.c.id.desc())


@dataclass(frozen=True)
class Scenario:
    """One saved scenario."""

    id: str  # the answer's `scenario_id` where nothing else is saved under that
    name: str
    studio_id: str
    kind: str
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    release_version: int
    model_version: str
    data_version: str
    base_month: date  # the last known month of the answer, its first day
    created_at: datetime  # UTC


@dataclass(frozen=True)
class ScenarioPage:
    """Some scenarios, newest first, and where the next page begins; None after the last one."""

    scenarios: list[Scenario]
    next_cursor: str | None


class ScenarioStore:
    """Saved scenarios in the database.

    Raises:
        DatabaseError: the database is away; raised by every method.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self, name: str, request: Mapping[str, Any], answer: Mapping[str, Any], release_version: int
    ) -> Scenario:
        """Keep a forward request with its answer; it is on the disk when this returns.

        Raises:
            InputError: a text can't be kept in it.
        """
        scenario = Scenario(
            id=answer["scenario_id"],
            name=name,
            studio_id=request["studio_id"],
            kind="forward",
            request=request,
            answer=answer,
            release_version=release_version,
            model_version=answer["model_version"],
            data_version=answer["data_version"],
            base_month=date.fromisoformat(answer["base_month"]),
            created_at=datetime.now(UTC),
        )
        try:
            self._insert(scenario)
        except IntegrityError:
            # The same answer saved once more, most likely under another name.
            scenario = Scenario(**{**vars(scenario), "id": str(uuid4())})
            self._insert(scenario)
        return scenario

    def find(self, scenario_id: str) -> Scenario:
        """A scenario by its id.

        Raises:
            UnknownScenarioError: there is none.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(scenarios).where(scenarios.c.id == scenario_id)).one_or_none()
        if row is None:
            raise unknown_scenario(scenario_id)
        return Scenario(**row._mapping)

    def delete(self, scenario_id: str) -> None:
        """Delete a scenario for good.

        Raises:
            UnknownScenarioError: there is none.
        """
        with self._database.writing() as connection:
            deleted = connection.execute(delete(scenarios).where(scenarios.c.id == scenario_id)).rowcount
        if not deleted:
            raise unknown_scenario(scenario_id)

    def page(
        self, studio_id: str | None, is_visible: Callable[[str], bool], limit: int, cursor: str | None
    ) -> ScenarioPage:
        """At most `limit` scenarios of one or all visible studios, newest first, from a cursor on.

        Raises:
            InputError: the cursor is none of ours.
        """
        place = None if cursor is None else read_cursor(cursor)
        with self._database.reading() as connection:
            studios = _named(connection, is_visible) if studio_id is None else [studio_id]
            found: list[Cursor] = []
            # A page ends at a row that its caller may see: its cursor reveals no other.
            for row in _rows_after(connection, place, studios):
                if is_visible(row.studio_id):
                    if len(found) == limit:
                        return ScenarioPage(_by_ids(connection, found), write_cursor(found[-1]))
                    found.append(Cursor(row.created_at, row.id))
            return ScenarioPage(_by_ids(connection, found), None)

    def _insert(self, scenario: Scenario) -> None:
        with self._database.writing() as connection:
            if self._database.dialect == "postgresql":
                # Also where the server is set to answer before its disk has.
                connection.execute(text("SET LOCAL synchronous_commit = on"))
            connection.execute(insert(scenarios).values(**vars(scenario)))


def _named(connection: Connection, is_visible: Callable[[str], bool]) -> list[str] | None:
    """The studios that a page is to be looked for in; None for all, where it can't or need not name them."""
    studios = connection.scalars(select(scenarios.c.studio_id).distinct()).all()
    visible = [studio for studio in studios if is_visible(studio)]
    return None if len(visible) == len(studios) or len(visible) > MOST_STUDIOS else visible


def _rows_after(connection: Connection, place: Cursor | None, studios: Sequence[str] | None) -> Iterator[Any]:
    query = select(scenarios.c.id, scenarios.c.studio_id, scenarios.c.created_at).order_by(*_NEWEST_FIRST)
    if studios is not None:
        query = query.where(scenarios.c.studio_id.in_(studios))
    while True:
        after = query if place is None else query.where(_is_older(place))
        rows = connection.execute(after.limit(ROWS_AT_ONCE)).all()
        yield from rows
        if len(rows) < ROWS_AT_ONCE:
            return
        place = Cursor(rows[-1].created_at, rows[-1].id)


def _is_older(place: Cursor) -> ColumnElement[bool]:
    return tuple_(place.created_at, place.id, types=[UtcDateTime(), Text()]) > _KEY


def _by_ids(connection: Connection, found: Sequence[Cursor]) -> list[Scenario]:
    ids = [place.id for place in found]
    query = select(scenarios).where(scenarios.c.id.in_(ids)).order_by(*_NEWEST_FIRST)
    return [Scenario(**row._mapping) for row in connection.execute(query)]


def unknown_scenario(scenario_id: str) -> UnknownScenarioError:
    """The refusal of an id: the same for one that is not there and for one that is not to be seen."""
    return UnknownScenarioError(
        f"There is no saved scenario {scenario_id!r}.", "GET /api/v1/scenarios lists those that there are."
    )


@dataclass(frozen=True)
class Cursor:
    """The last scenario of a page; its time with time zone."""

    created_at: datetime
    id: str


def write_cursor(cursor: Cursor) -> str:
    """The text of a cursor, safe in a URL."""
    content = f"{cursor.created_at.astimezone(UTC).isoformat()} {cursor.id}"
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """The cursor of a text.

    Raises:
        InputError: it is none of ours.
    """
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        moment, separator, scenario_id = content.partition(" ")
        cursor = Cursor(datetime.fromisoformat(moment), scenario_id)
        if not separator or write_cursor(cursor) != text:
            raise ValueError
    except (ValueError, OverflowError):
        raise InputError(
            "This cursor is none that this service has given.",
            "Send `next_cursor` of the page before as it is, or leave it out to start with the newest.",
        ) from None
    return cursor
