"""An empty database of each kind."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgresql import temporary_database, url_of

from serving.storage.database import Database
from studio_pipeline.settings import read_settings

OpenDatabase = Callable[[], Database]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/some folder/service 100%.db"
        return
    with temporary_database() as name:
        yield url_of(name)


@pytest.fixture
def open_database(database_url: str, tmp_path: Path) -> Iterator[OpenDatabase]:
    """Open the database once more, as another process would."""
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
