"""The database: transactions that need its tables, and whether it is there."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Literal, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, select

from serving.database.engine import make_engine
from serving.database.failures import database_errors
from serving.database.schema import NewerSchemaError, schema_revision, upgrade_schema
from serving.database.tables import SCHEMA_REVISION
from studio_pipeline.errors import DatabaseError
from studio_pipeline.settings import Settings

logger = logging.getLogger(__name__)

MIGRATION_SECONDS = 3600.0
RETRY_SECONDS = 2.0

State = Literal["ok", "unreachable", "newer_schema"]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Database:
    """The service's own tables. Nothing is opened before it is used, and whoever uses it first makes them.

    Args:
        settings: of the application.

    Raises:
        SettingsError: the URL names a database that is not supported.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = make_engine(settings)
        self._readers = ThreadPoolExecutor(settings.database_pool_size, "database")
        # SQLite has one writer at a time: those who wait for it keep nobody from reading.
        self._writers = ThreadPoolExecutor((settings.database_pool_size + 1) // 2, "database-writer")
        self._upgrading = Lock()
        self._is_current = False
        self._told: str | None = None
        self._told_of_writing = False

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @property
    def place(self) -> str:
        """Where the database is, without any password."""
        return str(self._engine.url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that changes nothing.

        Raises:
            DatabaseError: the database is away, or newer than this version.
            InputError: a value can't be kept in it.
        """
        with self._told_failures():
            self._ensure_schema()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that is on the disk when this ends without an error.

        Raises:
            DatabaseError: the database is away, or newer than this version.
            InputError: a value can't be kept in it.
        """
        with self._told_failures(writing=True):
            self._ensure_schema()
            with _writing(self._engine) as connection:
                yield connection

    def upgrade(self) -> None:
        """Bring the tables to this version; several processes may try at once.

        Raises:
            DatabaseError: the database is away, or newer than this version.
        """
        with self._told_failures():
            self._is_current = False
            self._ensure_schema()

    def revision(self) -> str | None:
        """The migration that the database is at; None where it has no tables yet.

        Raises:
            DatabaseError: the database is away.
        """
        with self._told_failures(), self._engine.connect() as connection:
            return schema_revision(connection)

    def state(self) -> State:
        """What the database says now; it may take some seconds where it says nothing."""
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
    def _told_failures(self, *, writing: bool = False) -> Iterator[None]:
        """Say in the log when the database goes, and when it is back; one that can't be written is not, just
        as it can be read.
        """
        try:
            with database_errors():
                yield
        except DatabaseError as error:
            self._is_current = False
            if self._told != error.what:
                logger.warning("%s %s", error.what, _cause(error))
            self._told, self._told_of_writing = error.what, writing
            raise
        if self._told is not None and (writing or not self._told_of_writing):
            logger.info("The database is back.")
            self._told = None


def _cause(error: DatabaseError) -> str:
    """What the driver said, on one line."""
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
    """Run the missing migrations, on a connection that may take its time."""
    engine = make_engine(settings, MIGRATION_SECONDS)
    try:
        with _writing(engine) as connection:
            upgrade_schema(connection)
            logger.info("The database is at schema %s.", SCHEMA_REVISION)
    finally:
        engine.dispose()
