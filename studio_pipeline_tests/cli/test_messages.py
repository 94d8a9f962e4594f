"""Commands are suggested by the name that finds them; a refusal of the disk is two lines."""

import errno
import shutil
import sqlite3
from pathlib import Path

import pytest

from studio_pipeline.cli.messages import as_called, disk_refusal, indented
from studio_pipeline.cli.pipeline import check_free_space
from studio_pipeline.errors import SettingsError, StorageError
from studio_pipeline.settings import check_landing_dir, read_settings


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `studio` that was called by its path, relative to the working directory."""
    path = tmp_path / ".venv" / "bin" / "studio"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [".venv/bin/studio", "run"])
    monkeypatch.setenv("PATH", str(tmp_path))
    return path


@pytest.mark.usefixtures("program")
def test_a_program_that_is_not_on_the_path_is_named_as_it_was_called() -> None:
    said = as_called("Next: `studio up`, `studio status`.")
    assert said == "Next: `.venv/bin/studio up`, `.venv/bin/studio status`."
    assert indented("Run\n`studio run`") == "  Run\n  `.venv/bin/studio run`"


def test_a_program_on_the_path_has_its_short_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert as_called("`studio up`") == "`studio up`"


def test_another_program_of_that_name_on_the_path_is_not_meant(program, monkeypatch, tmp_path) -> None:
    other = tmp_path / "studio"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert as_called("`studio up`") == "`.venv/bin/studio up`"


@pytest.mark.parametrize("called", ["/somewhere/studio_pipeline/cli/__main__.py", "-c", "/nowhere/studio"])
def test_what_is_no_such_program_has_the_short_name(monkeypatch: pytest.MonkeyPatch, called: str) -> None:
    monkeypatch.setattr("sys.argv", [called])
    assert as_called("`studio up`") == "`studio up`"


def wrapped(cause: Exception) -> RuntimeError:
    """An error as a library hands it on: with the real one among its causes."""
    try:
        try:
            raise cause
        except type(cause) as error:
            raise ValueError("in between") from error
    except ValueError as error:
        outer = RuntimeError("some library failed")
        outer.__context__ = error
        return outer


@pytest.mark.parametrize(
    ("cause", "remedy"),
    [
        (sqlite3.OperationalError("database or disk is full"), "Free some space"),
        (sqlite3.OperationalError("disk I/O error"), "free some space"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "the right to write"),
        (OSError(errno.ENOSPC, "No space left on device"), "Free some space"),
        (OSError(errno.EROFS, "Read-only file system", "somewhere/file"), "read-only"),
    ],
)
def test_a_refusal_is_found_among_the_causes(cause: Exception, remedy: str) -> None:
    refusal = disk_refusal(wrapped(cause), Path("home"))
    assert isinstance(refusal, StorageError)
    assert remedy in refusal.remedy
    assert "home" in refusal.what or "somewhere/file" in refusal.what


def test_a_bug_is_no_refusal() -> None:
    assert disk_refusal(wrapped(sqlite3.OperationalError("no such table: runs")), Path("home")) is None
    assert disk_refusal(wrapped(OSError(errno.EPIPE, "Broken pipe")), Path("home")) is None
    assert disk_refusal(wrapped(KeyError("x")), Path("home")) is None


def test_a_run_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_free_space(tmp_path / "not" / "there" / "yet")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5 * 2**20))
    with pytest.raises(StorageError, match="Only 5 MB are free"):
        check_free_space(tmp_path / "home")


def test_a_landing_folder_that_was_named_must_be_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path))
    check_landing_dir(read_settings(None))
    monkeypatch.setenv("STUDIO_LANDING_DIR", str(tmp_path / "lnding"))
    with pytest.raises(SettingsError, match="lnding is not a folder"):
        check_landing_dir(read_settings(None))
    (tmp_path / "lnding").mkdir()
    check_landing_dir(read_settings(None))
