"""Saved scenarios: kept for good once they are answered for, listed newest first, deleted on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Select, Text, delete, insert, select, text, tuple_
from sqlalchemy.exc import IntegrityError

from serving.database.database import Database
from serving.database.tables import UtcDateTime, scenarios
from serving.records.scenario_cursors import Cursor, read_cursor, write_cursor
from studio_pipeline.errors import UnknownScenarioError

ROWS_AT_ONCE = 200
MOST_ROWS = 5000
"""How many rows one page looks through for scenarios that the caller may see."""

_KEY = tuple_(scenarios.c.created_at, scenarios.c.id)
_NEWEST_FIRST = (scenarios.c.created_at.desc(), scenarios.c.id.desc())


@dataclass(frozen=True)
class Scenario:
    """One saved scenario.

    Attributes:
        id: the answer's `scenario_id` where nothing else is saved under that.
        name: as given by whoever saved it.
        studio_id: of the studio.
        kind: of the request.
        request: the request, JSON.
        answer: what it was answered, JSON.
        release_version: number of the release that answered.
        model_version: the model that answered.
        data_version: the data that it answered from.
        base_month: the last known month of the answer, its first day.
        created_at: when it was saved, UTC.
    """

    id: str
    name: str
    studio_id: str
    kind: str
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    release_version: int
    model_version: str
    data_version: str
    base_month: date
    created_at: datetime


@dataclass(frozen=True)
class ScenarioPage:
    """Some scenarios, newest first.

    Attributes:
        scenarios: at most as many as asked for; fewer, or none, may come before there are more.
        next_cursor: where the next page begins; None after the last one.
    """

    scenarios: list[Scenario]
    next_cursor: str | None


class ScenarioStore:
    """Saved scenarios in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self, name: str, request: Mapping[str, Any], answer: Mapping[str, Any], release_version: int
    ) -> Scenario:
        """Keep a forward request with its answer; it is on the disk when this returns.

        Raises:
            DatabaseError: the database is away.
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
            DatabaseError: the database is away.
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
            DatabaseError: the database is away.
        """
        with self._database.writing() as connection:
            deleted = connection.execute(delete(scenarios).where(scenarios.c.id == scenario_id)).rowcount
        if not deleted:
            raise unknown_scenario(scenario_id)

    def page(
        self, studio_id: str | None, is_visible: Callable[[str], bool], limit: int, cursor: str | None
    ) -> ScenarioPage:
        """Scenarios newest first, from a cursor on.

        Args:
            studio_id: of these alone, or None for all.
            is_visible: whether the caller may see a studio.
            limit: how many at most.
            cursor: `next_cursor` of the page before; None for the first page.

        Raises:
            InputError: the cursor is none of ours.
            DatabaseError: the database is away.
        """
        place = None if cursor is None else read_cursor(cursor)
        ids: list[str] = []
        with self._database.reading() as connection:
            for _ in range(0, MOST_ROWS, ROWS_AT_ONCE):
                rows = connection.execute(_rows_after(studio_id, place)).all()
                for row in rows:
                    if len(ids) == limit:
                        return ScenarioPage(_by_ids(connection, ids), _text_of(place))
                    place = Cursor(row.created_at, row.id)
                    if is_visible(row.studio_id):
                        ids.append(row.id)
                if len(rows) < ROWS_AT_ONCE:
                    return ScenarioPage(_by_ids(connection, ids), None)
            return ScenarioPage(_by_ids(connection, ids), _text_of(place))

    def _insert(self, scenario: Scenario) -> None:
        with self._database.writing() as connection:
            if self._database.dialect == "postgresql":
                # Also where the server is set to answer before its disk has.
                connection.execute(text("SET LOCAL synchronous_commit = on"))
            connection.execute(insert(scenarios).values(**vars(scenario)))


def _rows_after(studio_id: str | None, place: Cursor | None) -> Select[Any]:
    """What decides on the next rows from a place on."""
    query = select(scenarios.c.id, scenarios.c.studio_id, scenarios.c.created_at).order_by(*_NEWEST_FIRST)
    if studio_id is not None:
        query = query.where(scenarios.c.studio_id == studio_id)
    if place is not None:
        query = query.where(tuple_(place.created_at, place.id, types=[UtcDateTime(), Text()]) > _KEY)
    return query.limit(ROWS_AT_ONCE)


def _by_ids(connection: Connection, ids: Sequence[str]) -> list[Scenario]:
    query = select(scenarios).where(scenarios.c.id.in_(ids)).order_by(*_NEWEST_FIRST)
    return [Scenario(**row._mapping) for row in connection.execute(query)]


def _text_of(place: Cursor | None) -> str | None:
    return None if place is None else write_cursor(place)


def unknown_scenario(scenario_id: str) -> UnknownScenarioError:
    """The refusal of an id: the same for one that is not there and for one that is not to be seen."""
    return UnknownScenarioError(
        f"There is no saved scenario {scenario_id!r}.", "GET /api/v1/scenarios lists those that there are."
    )
