"""Connections: what they are set to, how long they wait, and that they keep a password to themselves."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postgresql import HOST, PORT, temporary_database, url_of
from sqlalchemy import insert, select, text
from tcp_proxy import tcp_proxy

from serving.storage import engine
from serving.storage.database import Database
from serving.storage.engine import parse_url
from serving.storage.schema import deletions
from studio_pipeline.errors import DatabaseError, SettingsError
from studio_pipeline.settings import read_settings

MakeDatabase = Callable[..., Database]


@pytest.fixture
def database_of(tmp_path: Path) -> Iterator[MakeDatabase]:
    """The database of some settings, by default the file in `tmp_path`."""
    with ExitStack() as opened:

        def open_one(**settings: object) -> Database:
            return opened.enter_context(
                closing(Database(read_settings(None, **{"home": tmp_path} | settings)))
            )

        yield open_one


@pytest.mark.parametrize("kind", ["postgresql", "postgres", "postgresql+psycopg"])
def test_supported_urls_get_their_driver(kind: str) -> None:
    url = f"{kind}://u@h/d"
    assert read_settings(None, database_url=url).database_url == url
    assert parse_url(url).drivername == "postgresql+psycopg"
    assert parse_url("sqlite:///service.db").drivername == "sqlite"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:pa55@h/d",
        "postgresql+asyncpg://u:pa55@h/d",
        "postgresql+psycopg2://u:pa55@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite+aiosqlite:///pa55",
    ],
)
def test_other_urls_are_refused_with_a_way_out_and_without_the_password(url: str) -> None:
    for read in (lambda: read_settings(None, database_url=url), lambda: parse_url(url)):
        with pytest.raises(SettingsError, match="postgresql://USER:PASSWORD@HOST:PORT/DATABASE") as caught:
            read()
        assert "pa55" not in str(caught.value)
    with pytest.raises(SettingsError, match="STUDIO_DATABASE_URL can't be read") as caught:
        parse_url("postgresql://u:pa55@h:port/d")
    assert "pa55" not in str(caught.value)


PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "secure_delete": 1,
    "busy_timeout": 5000,
}


def test_sqlite_is_shared_and_durable(database_of: MakeDatabase) -> None:
    with database_of().reading() as connection:
        read = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
    assert read == PRAGMAS


def test_a_statement_ends_in_time(monkeypatch: pytest.MonkeyPatch, database_of: MakeDatabase) -> None:
    monkeypatch.setattr(engine, "STATEMENT_SECONDS", 1)
    with temporary_database() as name:
        database = database_of(database_url=url_of(name))
        with pytest.raises(DatabaseError), database.reading() as connection:
            connection.execute(text("SELECT pg_sleep(60)"))


def test_a_server_that_says_nothing_is_given_up_and_then_found_again(
    monkeypatch: pytest.MonkeyPatch, database_of: MakeDatabase
) -> None:
    monkeypatch.setattr(engine.make_engine, "__defaults__", (0.5,))
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 2)
    with temporary_database() as name, tcp_proxy(HOST, PORT) as proxy:
        database = database_of(database_url=url_of(name, proxy.port))
        database.upgrade()
        proxy.freeze()
        begun = time.monotonic()
        assert database.state() == "unreachable"
        assert time.monotonic() - begun < 30, "it would wait for ever"
        proxy.restore()
        assert database.state() == "ok"


def test_the_log_says_once_that_it_is_away_and_never_the_password(
    database_of: MakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    database = database_of(database_url="postgresql://somebody:pa55@127.0.0.1:1/nothing")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert database.state() == "unreachable"
    (line,) = [record.getMessage() for record in caplog.records]
    assert "Connection refused" in line
    assert "pa55" not in caplog.text
    assert "pa55" not in database.place


def test_a_deleted_file_is_not_written_any_more(tmp_path: Path, database_of: MakeDatabase) -> None:
    database = database_of()
    database.upgrade()
    for path in tmp_path.glob("service.db*"):
        path.unlink()
    with pytest.raises(DatabaseError), database.writing() as connection:
        connection.execute(insert(deletions).values(studio_id="lost", deleted_at=datetime.now(UTC)))
    with database.writing() as connection:
        connection.execute(insert(deletions).values(studio_id="kept", deleted_at=datetime.now(UTC)))
    with database_of().reading() as connection:
        assert list(connection.scalars(select(deletions.c.studio_id))) == ["kept"]


@pytest.mark.parametrize("content", [b"rubbish" * 1000, b"SQLite format 3\0" + bytes(4000)])
def test_a_file_of_another_kind_counts_as_away(
    tmp_path: Path, database_of: MakeDatabase, content: bytes
) -> None:
    (tmp_path / "service.db").write_bytes(content)
    database = database_of()
    assert database.state() == "unreachable"
    (tmp_path / "service.db").unlink()
    assert database.state() == "ok"


def test_a_folder_that_can_not_be_made_counts_as_away(tmp_path: Path, database_of: MakeDatabase) -> None:
    (tmp_path / "file").write_text("")
    assert database_of(home=tmp_path / "file" / "home").state() == "unreachable"


def test_a_database_that_can_only_be_read_is_not_told_to_be_back(
    tmp_path: Path,
    database_of: MakeDatabase,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(engine, "STATEMENT_SECONDS", 0.05)
    caplog.set_level(logging.INFO, "serving.storage.database")
    database = database_of()
    database.upgrade()
    caplog.clear()
    with closing(sqlite3.connect(tmp_path / "service.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            assert database.state() == "unreachable"
            with database.reading() as connection:
                assert connection.scalar(select(1)) == 1
        with pytest.raises(DatabaseError, match="Try again in a little while"), database.writing():
            pass
        other.execute("ROLLBACK")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert database.state() == "ok"
    assert caplog.messages[-1] == "The database is back."
