"""SQLAlchemy engines: SQLite in one file in write-ahead mode, or PostgreSQL with time-outs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from studio_pipeline.errors import SettingsError
from studio_pipeline.settings import Settings

CONNECT_SECONDS = 3
POOL_SECONDS = 3
STATEMENT_SECONDS = 5
"""Time-outs of a connection, a free place in the pool, and a statement (or SQLite's lock)."""

UNBOUNDED = -1

ANSWER_SECONDS = 7.0  # silence of PostgreSQL after which its connection is closed

PRAGMAS = (
    # Of a new file: a logged answer takes 4 KB, and fewer and larger pages a third less time to write.
    "page_size = 16384",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    # Pages of indexes are written again and again: the rarer they go from the log to their place, the better.
    "wal_autocheckpoint = 2000",
)

REMEDY = "Write sqlite:////ABSOLUTE/PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE."


def make_engine(settings: Settings, answer_seconds: float = ANSWER_SECONDS) -> Engine:
    """The engine of the service's own tables; nothing is opened yet. PostgreSQL may be silent that long."""
    url = parse_url(settings.database_url)
    is_sqlite = url.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = {"timeout": STATEMENT_SECONDS, "cached_statements": 32}
    if not is_sqlite:
        limits = f"-c statement_timeout={STATEMENT_SECONDS}s -c timezone=UTC"
        arguments = {
            "connect_timeout": url.query.get("connect_timeout", CONNECT_SECONDS),
            "application_name": url.query.get("application_name", "studio"),
            "options": f"{limits} {url.query.get('options', '')}".strip(),
        }
    engine = create_engine(
        url,
        pool_size=settings.database_pool_size,
        # Of a file there are as many connections as threads, so that no writer holds one that a reader needs.
        max_overflow=UNBOUNDED if is_sqlite else settings.database_max_overflow,
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args=arguments,
    )
    if is_sqlite:
        _prepare_sqlite(engine)
    else:
        _bound_postgresql(engine, answer_seconds)
    return engine


def parse_url(text: str) -> URL:
    """A database URL, with the driver that is used.

    Raises:
        SettingsError: the URL can't be read, or names a database that is not supported; it is not shown.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError("STUDIO_DATABASE_URL can't be read.", REMEDY) from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise SettingsError(f"STUDIO_DATABASE_URL names {url.drivername}, which is not supported.", REMEDY)
    if url.database in (None, "", ":memory:"):
        raise SettingsError(
            "STUDIO_DATABASE_URL names no file, and nothing in memory outlives the service.", REMEDY
        )
    return url


def _prepare_sqlite(engine: Engine) -> None:
    """Let transactions begin where they are said to, and every connection write safely."""

    @event.listens_for(engine, "do_connect")
    def make_folder(_: object, __: object, arguments: list[str], ___: object) -> None:
        Path(arguments[0]).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "checkout")
    def look_at_file(_: object, record: Any, __: object) -> None:
        # What is written to a file that was deleted or replaced is lost.
        if _identity(engine.url) != record.info["file"]:
            raise DisconnectionError

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        # Python's own transactions would leave the making of tables outside.
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        record.info["file"] = _identity(engine.url)

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A writer waits for the lock at its first line; one that has read before could not wait for it.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _identity(url: URL) -> tuple[int, int] | None:
    """Which file an SQLite URL means now; None where there is none."""
    try:
        found = Path(url.database or "").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bound_postgresql(engine: Engine, answer_seconds: float) -> None:
    """Let no connection wait for ever for a server that says nothing."""

    @event.listens_for(engine, "do_connect")
    def connect(_: object, __: object, arguments: list[Any], named: dict[str, Any]) -> Any:
        # A fifth of a second to import, for those who use it.
        from serving.storage.bounded_connection import connect_bounded

        return connect_bounded(answer_seconds, *arguments, **named)
