"""A STUDIO_HOME from an archive: every file proved, places corrected, then there at once or not at all."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from studio_pipeline.errors import BackupError, CorruptReleaseError
from studio_pipeline.publishing.backups import BACKUP_FORMAT, CONTENT, LISTING, BackupListing
from studio_pipeline.publishing.folders import FileRecord, record_of
from studio_pipeline.publishing.releases import current_release, verify_release
from studio_pipeline.publishing.storage import fsync_file, storage_errors, temporary_name

MLFLOW_PLACES: Mapping[str, tuple[str, ...]] = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",),
}
"""Columns in which MLflow keeps places on the disk, by table."""


def restore_backup(archive: Path, home: Path) -> BackupListing:
    """Make `home` from an archive; it must not be there, or be empty.

    Raises:
        BackupError: the archive is none of ours, damaged, or of a newer version; or the home isn't empty.
        StorageError: the disk refused.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise BackupError(f"{home} is not empty.", "Restore into a folder that is empty or not there yet.")
    temporary = temporary_name(home)
    with storage_errors(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        try:
            listing = _unpack(archive, temporary)
            _verify(temporary / CONTENT, listing, archive)
            relocate_mlflow(temporary / CONTENT / "mlflow.db", Path(listing.home), home)
            (temporary / CONTENT).replace(home)
            fsync_file(home.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return listing


def _unpack(archive: Path, folder: Path) -> BackupListing:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        content = json.loads((folder / LISTING).read_text("utf-8"))
        if content["format"] > BACKUP_FORMAT:
            raise BackupError(
                f"{archive} has format {content['format']}; this version reads up to {BACKUP_FORMAT}.",
                "Restore it with the version that wrote it, or a later one.",
            )
        files = {str(name): FileRecord(**record) for name, record in content.pop("files").items()}
        return BackupListing(**content, files=files)
    except FileNotFoundError as error:
        raise _damaged(archive, f"{Path(error.filename or '').name} is missing") from error
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _damaged(archive, str(error)) from error


def _verify(home: Path, listing: BackupListing, archive: Path) -> None:
    found = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    if odd := sorted(found ^ set(listing.files)):
        raise _damaged(archive, f"{odd[0]} is {'not listed' if odd[0] in found else 'missing'}")
    for name, record in listing.files.items():
        if record_of(home / name) != record:
            raise _damaged(archive, f"{name} is not the file that was backed up")
    try:
        verify_release(home, current_release(home))
    except CorruptReleaseError as error:
        raise _damaged(archive, error.what) from error


def _damaged(archive: Path, why: str) -> BackupError:
    return BackupError(f"{archive} can't be restored: {why}.", "Take another backup; nothing was written.")


def relocate_mlflow(database: Path, before: Path, after: Path) -> None:
    """Let MLflow's places below one folder stand below another; Dagster keeps none that it reads."""
    if not database.exists():
        return
    with closing(sqlite3.connect(database)) as store, store:
        tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in tables & set(MLFLOW_PLACES):
            for column in MLFLOW_PLACES[table]:
                _relocate_column(store, table, column, before.as_uri(), after.absolute().as_uri())


def _relocate_column(store: sqlite3.Connection, table: str, column: str, before: str, after: str) -> None:
    change = (
        f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # noqa: S608 - our own table of names
        f" WHERE {column} = ? OR substr({column}, 1, ?) = ?"
    )
    store.execute(change, (after, len(before) + 1, before, len(before) + 1, f"{before}/"))
