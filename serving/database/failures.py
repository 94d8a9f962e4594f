"""From a driver's errors to ours: what is away, what can't be kept, and what is a bug."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from studio_pipeline.errors import DatabaseError, InputError

UNREACHABLE = "The database can't be reached or doesn't take what is written."
REMEDY = (
    "Try again in a little while; GET /api/v1/health says when it is back. If it stays away, look at the"
    " service's log, STUDIO_DATABASE_URL and the database itself."
)

_STATES_THAT_PASS = ("42P01", "42501", "3F000")
"""PostgreSQL's codes of a table that is not there, or not for this user: another database than before."""


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
    except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
        raise DatabaseError(UNREACHABLE, REMEDY) from error
    except exc.DBAPIError as error:
        if not _is_away(error):
            raise
        raise DatabaseError(UNREACHABLE, REMEDY) from error
    except (OSError, sqlite3.DatabaseError) as error:
        # The folder of an SQLite file can't be made, or its file can't be opened.
        raise DatabaseError(UNREACHABLE, REMEDY) from error


def _is_away(error: exc.DBAPIError) -> bool:
    """Whether the database is to blame, and not the statement; the plain error is a file that is none."""
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or type(error) is exc.DatabaseError or state in _STATES_THAT_PASS
