"""Database of the service: transactions, translated errors, and its state for ``/health``.

Creates and upgrades the tables on first use. Work that waits for the database runs in threads of its own.
Connection settings are in ``engine``, tables and migrations in ``schema``, queries in the stores.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Literal, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, exc, select

from serving.storage.engine import make_engine
from serving.storage.schema import SCHEMA_REVISION, NewerSchemaError, schema_revision, upgrade_schema
from studio_pipeline.errors import DatabaseError, InputError
from studio_pipeline.settings import Settings

logger = logging.getLogger(__name__)

MIGRATION_SECONDS = 3600.0
RETRY_SECONDS = 2.0
FRESH_SECONDS = 1.0  # age up to which a known state of the database is reused
PATIENCE_SECONDS = 2.0  # time after which a database that does not respond counts as unreachable
UNREACHABLE = "The database can't be reached or doesn't take what is written."
REMEDY = (
    "Try again in a little while; GET /api/v1/health says when it is back. If it stays away, look at the"
    " service's log, STUDIO_DATABASE_URL and the database itself."
)

_STATES_THAT_PASS = ("42P01", "42501", "3F000")
"""PostgreSQL's codes of a table that is not there, or not for this user: another database than before."""

State = Literal["ok", "unreachable", "newer_schema"]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

PROBLEMS: dict[State, str | None] = {
    "ok": None,
    "unreachable": "The database can't be reached or written: nothing can be saved, and predictions are"
    " logged to a file until it is back.",
    "newer_schema": "The database's tables were made by a newer version of this program: nothing can be saved"
    " or listed, and predictions are logged to a file. Install that version, or use another database.",
}
"""Consequences of a state for users of the service."""


class Database:
    """The service's own tables. Nothing is opened before its first use, which creates the tables.

    Raises:
        SettingsError: the URL names a database that is not supported; raised at once.
        DatabaseError: the database is away, or newer than this version; raised by every use.
        InputError: a value can't be kept in it; raised in a transaction.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = make_engine(settings)
        self._readers = ThreadPoolExecutor(settings.database_pool_size, "database")
        # SQLite has one writer at a time: waiting writers must not block readers.
        self._writers = ThreadPoolExecutor((settings.database_pool_size + 1) // 2, "database-writer")
        self._upgrading = Lock()
        self._is_current = False
        self._logged: str | None = None
        self._logged_while_writing = False

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @property
    def place(self) -> str:
        """URL of the database without its password."""
        return str(self._engine.url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that changes nothing."""
        with self._logged_failures():
            self._ensure_schema()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that is on the disk when this ends without an error."""
        with self._logged_failures(writing=True):
            self._ensure_schema()
            with _writing(self._engine) as connection:
                yield connection

    def upgrade(self) -> None:
        """Bring the tables to this version; several processes may try at once."""
        with self._logged_failures():
            self._is_current = False
            self._ensure_schema()

    def revision(self) -> str | None:
        """The migration that the database is at; None where it has no tables yet."""
        with self._logged_failures(), self._engine.connect() as connection:
            return schema_revision(connection)

    def state(self) -> State:
        """State of the database now; takes some seconds if it does not respond."""
        try:
            # One that can be read and not written is of no use to those who save.
            with self.writing() as connection:
                connection.scalar(select(1))
        except NewerSchemaError:
            return "newer_schema"
        except DatabaseError:
            return "unreachable"
        return "ok"

    async def run(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Do work that waits for the database in a thread that is kept for that."""
        return await _run_in(self._readers, partial(work, *arguments, **named))

    async def run_writing(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """The same with work that changes the database."""
        return await _run_in(self._writers, partial(work, *arguments, **named))

    async def prepare(self) -> None:
        """Bring the tables to this version, however long the database stays away."""
        while True:
            try:
                await self.run(self.upgrade)
            except DatabaseError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def close(self) -> None:
        """Let go of all connections, when the work that has begun is done."""
        for threads in (self._writers, self._readers):
            threads.shutdown(cancel_futures=True)
        self._engine.dispose()

    def _ensure_schema(self) -> None:
        """Look at the version once, and again after every failure: it may be another database by then."""
        if self._is_current:
            return
        with self._upgrading:
            if self._is_current:
                return
            with self._engine.connect() as connection:
                is_current = schema_revision(connection) == SCHEMA_REVISION
            if not is_current:
                _upgrade(self._settings)
            self._is_current = True

    @contextmanager
    def _logged_failures(self, *, writing: bool = False) -> Iterator[None]:
        """Say in the log when the database goes, and when it is back; one that can't be written is not, just
        as it can be read.
        """
        try:
            with database_errors():
                yield
        except DatabaseError as error:
            self._is_current = False
            if self._logged != error.what:
                logger.warning("%s %s", error.what, _cause(error))
            self._logged, self._logged_while_writing = error.what, writing
            raise
        if self._logged is not None and (writing or not self._logged_while_writing):
            logger.info("The database is back.")
            self._logged = None


class DatabaseHealth:
    """The state of a database, for the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look: asyncio.Task[State] | None = None
        self._seen_at = 0.0

    async def state(self) -> State:
        """State of the database, at most a second old; unreachable if it does not respond in time."""
        if self._look is None or (self._look.done() and time.monotonic() > self._seen_at + FRESH_SECONDS):
            self._look = asyncio.create_task(self._database.run(self._database.state))
            self._look.add_done_callback(self._note)
        try:
            return await asyncio.wait_for(asyncio.shield(self._look), PATIENCE_SECONDS)
        except TimeoutError:
            return "unreachable"

    def _note(self, _: asyncio.Task[State]) -> None:
        self._seen_at = time.monotonic()


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what a database refuses into errors that a person can act on; bugs pass through.

    Raises:
        DatabaseError: it is away, full, read-only, locked for too long, or no longer has our tables.
        InputError: a value can't be kept in it.
    """
    try:
        yield
    except exc.DataError as error:
        raise InputError(
            "The database can't keep one of these values.", "Leave control characters out of texts."
        ) from error
    # The last two: the folder of an SQLite file can't be made, or its file can't be opened.
    except (exc.DBAPIError, exc.TimeoutError, OSError, sqlite3.DatabaseError) as error:
        if isinstance(error, exc.DBAPIError) and not _is_away(error):
            raise
        raise DatabaseError(UNREACHABLE, REMEDY) from error


def _is_away(error: exc.DBAPIError) -> bool:
    """True if the database is at fault, not the statement; the plain error is a file that is none."""
    if isinstance(error, exc.OperationalError | exc.InterfaceError | exc.InternalError):
        return True
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or type(error) is exc.DatabaseError or state in _STATES_THAT_PASS


def _cause(error: DatabaseError) -> str:
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    return " ".join(str(cause or error.remedy).split())


async def _run_in(threads: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(threads, lambda: context.run(work))


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        connection.execution_options(writes=True)
        with connection.begin():
            yield connection


def _upgrade(settings: Settings) -> None:
    engine = make_engine(settings, MIGRATION_SECONDS)
    try:
        with _writing(engine) as connection:
            upgrade_schema(connection)
            logger.info("The database is at schema %s.", SCHEMA_REVISION)
    finally:
        engine.dispose()
