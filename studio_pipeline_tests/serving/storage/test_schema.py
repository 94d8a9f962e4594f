"""Migrations: from nothing, twice, by several at once, and never over what a newer version has made."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from processes import python
from sqlalchemy import inspect, select, text

from serving.storage.database import Database
from serving.storage.schema import (
    SCHEMA_REVISION,
    VERSION_TABLE,
    NewerSchemaError,
    alembic_configuration,
    metadata,
    scenarios,
)

SET_VERSION = text("UPDATE studio_schema_version SET version_num = :revision")


def tables_of(database: Database) -> set[str]:
    with database._engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def test_the_newest_step_is_the_one_that_is_looked_for() -> None:
    assert ScriptDirectory.from_config(alembic_configuration()).get_current_head() == SCHEMA_REVISION


def test_an_empty_database_gets_the_tables_at_its_first_use(database: Database) -> None:
    assert database.revision() is None
    assert tables_of(database) == set()
    with database.reading() as connection:
        assert connection.execute(select(scenarios)).all() == []
    assert database.revision() == SCHEMA_REVISION
    assert tables_of(database) == {VERSION_TABLE, *metadata.tables}


def test_the_steps_lead_to_the_tables_that_are_used(database: Database) -> None:
    database.upgrade()
    options = {"version_table": VERSION_TABLE, "compare_type": True}
    with database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        assert differences == []
        connection.execute(text("DROP INDEX ix_scenarios_created_at"))
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) != []
        connection.rollback()


def test_a_second_time_changes_nothing(open_database) -> None:
    first, second = open_database(), open_database()
    first.upgrade()
    with first.writing() as connection:
        connection.execute(text("INSERT INTO deletions VALUES ('kept', '2024-01-01 00:00:00.000000')"))
    first.upgrade()
    second.upgrade()
    with second.reading() as connection:
        assert connection.scalar(text("SELECT studio_id FROM deletions")) == "kept"


def test_several_at_once_do_not_collide(open_database) -> None:
    databases = [open_database() for _ in range(6)]
    with ThreadPoolExecutor(len(databases)) as threads:
        for result in [threads.submit(database.upgrade) for database in databases]:
            result.result()
    assert {database.revision() for database in databases} == {SCHEMA_REVISION}


def test_several_processes_at_once_do_not_collide(database_url: str, tmp_path: Path) -> None:
    env = {**os.environ, "STUDIO_DATABASE_URL": database_url, "STUDIO_HOME": str(tmp_path)}
    upgrade = [sys.executable, "-m", "studio_pipeline.cli", "database", "upgrade"]
    running = [subprocess.Popen(upgrade, env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert all(f"is at schema {SCHEMA_REVISION}" in line for line in told)


def test_a_newer_schema_is_left_alone_and_said_so(open_database) -> None:
    database, later = open_database(), open_database()
    database.upgrade()
    with database.writing() as connection:
        connection.execute(SET_VERSION, {"revision": "9999"})
    with pytest.raises(NewerSchemaError, match=r"schema 9999, which is newer .* Install the version"):
        later.upgrade()
    assert later.state() == "newer_schema"
    assert later.revision() == "9999"
    with database.writing() as connection:
        connection.execute(SET_VERSION, {"revision": SCHEMA_REVISION})
    assert later.state() == "ok"


def test_tables_that_have_gone_are_made_again(database: Database) -> None:
    database.upgrade()
    with database.writing() as connection:
        for table in tables_of(database):
            connection.execute(text(f"DROP TABLE {table}"))
    assert database.state() == "ok"
    with pytest.raises(Exception, match="can't be reached"), database.reading() as connection:
        connection.execute(select(scenarios))
    with database.reading() as connection:
        assert connection.execute(select(scenarios)).all() == []


def test_the_steps_can_be_taken_back(database: Database) -> None:
    database.upgrade()
    configuration = alembic_configuration()
    with database.writing() as connection:
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "base")
    assert tables_of(database) == {VERSION_TABLE}
    database.upgrade()
    assert tables_of(database) == {VERSION_TABLE, *metadata.tables}


LOOK = """
import sys
from serving.storage.database import Database
from studio_pipeline.settings import read_settings
database = Database(read_settings(None))
assert database.state() == "ok"
database.close()
print("alembic" in sys.modules)
"""


def test_a_look_at_an_up_to_date_database_loads_no_migration_tool(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    where = {"STUDIO_DATABASE_URL": database_url, "STUDIO_HOME": str(tmp_path)}
    assert [python(tmp_path, "-c", LOOK, **where) for _ in range(2)] == ["True\n", "False\n"]
