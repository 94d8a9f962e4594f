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


@pytest.mark.parametrize(
    ("called", "found_on_path", "said"),
    [
        (".venv/bin/studio", "", ".venv/bin/studio"),
        (".venv/bin/studio", ".venv/bin", "studio"),
        (".venv/bin/studio", "other", ".venv/bin/studio"),
        ("/somewhere/studio_pipeline/cli/__main__.py", "", "studio"),
        ("-c", "", "studio"),
        ("/nowhere/studio", "", "studio"),
    ],
)
def test_a_program_is_named_so_that_it_is_found(monkeypatch, tmp_path, called, found_on_path, said) -> None:
    for folder in (".venv/bin", "other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "studio").write_text("#!/bin/sh\n")
        (tmp_path / folder / "studio").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / found_on_path))
    monkeypatch.setattr("sys.argv", [called, "run"])
    assert as_called("Next: `studio up`, `studio status`.") == f"Next: `{said} up`, `{said} status`."
    assert indented("Run\n`studio run`") == f"  Run\n  `{said} run`"


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
