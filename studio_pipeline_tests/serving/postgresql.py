"""Databases of their own on the PostgreSQL of this machine, for single tests."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

HOST, PORT = "127.0.0.1", 5432
ADMIN = f"postgresql://postgres@{HOST}:{PORT}/postgres"


def connect_admin() -> psycopg.Connection[tuple[object, ...]]:
    """A connection that may make databases; where there is no server, the test is skipped, but not in CI."""
    try:
        return psycopg.connect(ADMIN, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL on {HOST}:{PORT}: {error}")


@contextlib.contextmanager
def temporary_database() -> Iterator[str]:
    """The name of an empty database, which is dropped at the end whoever still uses it."""
    name = f"studio_test_{secrets.token_hex(6)}"
    with connect_admin() as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database: `postgresql`, or `sqlite` in a folder."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/some folder/service 100%.db"
        return
    with temporary_database() as name:
        yield url_of(name)


def url_of(name: str, port: int = PORT) -> str:
    """The URL of a database as a setting."""
    return f"postgresql://postgres@{HOST}:{port}/{name}"
