"""`studio database`: where the tables stand, and bringing them to this version."""

from pathlib import Path

import pytest

from serving.storage.schema import MIGRATIONS, SCHEMA_REVISION
from studio_pipeline_tests.cli.conftest import studio


def database(*arguments: str) -> tuple[int, list[str]]:
    shown = studio("database", *arguments)
    return shown.exit_code, shown.output.splitlines()


def test_the_tables_are_made_once(home: Path) -> None:
    place = f"sqlite:///{home}/service.db"
    status, lines = database("status")
    assert (status, lines[:2]) == (
        0,
        [f"{place} is at schema none.", f"This version works with schema {SCHEMA_REVISION}."],
    )
    assert "`studio database upgrade`" in lines[2]
    came = f"{place} is at schema {SCHEMA_REVISION}, which "
    assert database("upgrade") == (0, [came + "came after an empty database."])
    assert database("upgrade") == (0, [came + "was there already."])
    assert database("status")[1][0] == f"{place} is at schema {SCHEMA_REVISION}."


@pytest.mark.parametrize("name", ["status", "upgrade"])
def test_a_database_that_is_away_is_told_without_its_password(monkeypatch, name, home) -> None:
    monkeypatch.setenv("STUDIO_DATABASE_URL", "postgresql://somebody:pa55@127.0.0.1:1/nothing")
    status, lines = database(name)
    assert status == 1
    assert "The database can't be reached or doesn't take what is written." in lines
    assert "pa55" not in "".join(lines)
    assert "pa55" not in (home / "logs" / "errors.log").read_text()


def test_every_migration_is_installed_with_the_service() -> None:
    # What is no package stays behind when the service is installed.
    folders = {path.parent for path in MIGRATIONS.rglob("*.py")}
    assert len(folders) == 2
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
