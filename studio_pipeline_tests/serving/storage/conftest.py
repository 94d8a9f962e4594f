"""The database of the service, opened as often as there are processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.storage.database import Database
from studio_pipeline.settings import read_settings

OpenDatabase = Callable[[], Database]


@pytest.fixture
def open_database(database_url: str, tmp_path: Path) -> Iterator[OpenDatabase]:
    """Open the empty database once more, as another process would."""
    opened: list[Database] = []

    def open_one() -> Database:
        opened.append(Database(read_settings(None, home=tmp_path, database_url=database_url)))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def database(open_database: OpenDatabase) -> Database:
    """The empty database."""
    return open_database()
