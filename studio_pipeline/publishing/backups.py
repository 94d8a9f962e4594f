"""Backups: STUDIO_HOME as one verified archive, and its restoration.

Databases are copied with SQLite's backup API, together with the pointers; then follow the folders that are
written once. If no run is active, none can start until databases and pointers are copied. During an active
run, what it is still writing is left out, and Dagster's record in the backup shows a run whose process no
longer exists.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from studio_pipeline.errors import BackupError, CorruptReleaseError, RunInProgressError
from studio_pipeline.publishing.folders import FileRecord, record_of
from studio_pipeline.publishing.layout import ASSET_POINTER
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.releases import current_release, verify_release
from studio_pipeline.publishing.storage import TEMPORARY_PREFIX, fsync_file, storage_errors, temporary_name

BACKUP_FORMAT = 1
CONTENT = "home"
LISTING = "backup.json"
_SQLITE_HEADER = b"SQLite format 3\x00"
_BESIDE_DATABASES = ("-wal", "-shm", "-journal")
_LEFT_OUT = ("run.lock", "up.lock", "publish.lock")
_FOLDERS_OF_PROCESSES = ("metrics",)
_FOLDERS_WRITTEN_ONCE = ("assets", "models", "data", "mlflow")


@dataclass(frozen=True)
class BackupListing:
    """Listing of an archive's content."""

    format: int
    created_at: str  # time of the backup, ISO 8601 with time zone
    home: str
    release: int
    during_run: bool
    files: dict[str, FileRecord]  # path in the home to its record


def write_backup(home: Path, archive: Path) -> BackupListing:
    """Write `archive` (a gzipped tar) from a home; a killed process leaves no archive under this name.

    Raises:
        ReleaseError: nothing is published, or what is published does not verify.
    """
    verify_release(home, current_release(home))
    temporary = temporary_name(archive)
    with storage_errors(archive):
        archive.parent.mkdir(parents=True, exist_ok=True)
        try:
            listing = _write(home.absolute(), temporary)
            fsync_file(temporary)
            temporary.replace(archive)
            fsync_file(archive.parent)
        finally:
            temporary.unlink(missing_ok=True)
    return listing


def _write(home: Path, archive: Path) -> BackupListing:
    records: dict[str, FileRecord] = {}
    with (
        tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=archive.parent) as copies,
        tarfile.open(archive, "w:gz", compresslevel=1) as tar,
    ):
        during_run = _copy_what_changes(home, Path(copies))
        for name in _names(Path(copies)):
            _add(tar, Path(copies) / name, name, records)
        for name in _names(home):
            if _is_written_once(name):
                _add(tar, home / name, name, records)
        release = current_release(Path(copies)).version
        now = datetime.now(UTC).isoformat()
        listing = BackupListing(BACKUP_FORMAT, now, str(home), release, during_run, records)
        content = json.dumps(asdict(listing)).encode()
        member = tarfile.TarInfo(LISTING)
        member.size, member.mode = len(content), 0o600
        tar.addfile(member, BytesIO(content))
    return listing


def _copy_what_changes(home: Path, copies: Path) -> bool:
    """Copy databases, pointers and all other mutable files; returns True if a run was active."""
    with ExitStack() as stack:
        during_run = False
        try:
            stack.enter_context(hold_lock(home))
        except RunInProgressError:
            during_run = True
        for name in _names(home):
            if not _is_written_once(name):
                _copy(home / name, copies / name)
    return during_run


def _is_written_once(name: str) -> bool:
    folder = name.partition("/")[0]
    is_pointer = folder == "assets" and name.endswith(f"/{ASSET_POINTER}")
    return "/" in name and folder in _FOLDERS_WRITTEN_ONCE and not is_pointer


def _names(folder: Path) -> list[str]:
    """Files below a folder in order, without incomplete ones and those that belong to a process."""
    names = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [name.as_posix() for name in names if _is_kept(name)]


def _is_kept(name: Path) -> bool:
    is_unfinished = any(part.startswith(TEMPORARY_PREFIX) for part in name.parts)
    of_process = name.name in _LEFT_OUT or name.parts[0] in _FOLDERS_OF_PROCESSES
    return not (is_unfinished or of_process or name.name.endswith(_BESIDE_DATABASES))


def _copy(source: Path, target: Path) -> None:
    """Copy one file, a database through SQLite; a file that no longer exists is left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open("rb") as file:
            is_database = file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER
        if is_database:
            copy_database(source, target)
        else:
            shutil.copyfile(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database consistently while other processes write to it."""
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=30)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE")


def _add(tar: tarfile.TarFile, path: Path, name: str, records: dict[str, FileRecord]) -> None:
    """Add a file with its hash; a file that no longer exists is left out."""
    try:
        records[name] = record_of(path)
        tar.add(path, f"{CONTENT}/{name}", recursive=False, filter=_private)
    except FileNotFoundError:
        records.pop(name, None)


def _private(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Make a member readable by its owner only once it is unpacked, without the name of its present owner."""
    member.mode, member.uid, member.gid, member.uname, member.gname = 0o600, 0, 0, "", ""
    return member


MLFLOW_PLACES: Mapping[str, tuple[str, ...]] = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",),
}
"""Columns in which MLflow stores paths, by table."""


def restore_backup(archive: Path, home: Path) -> BackupListing:
    """Restore `home` from an archive; the folder must be empty or not exist.

    Raises:
        BackupError: the file is not a backup, damaged, or of a newer format; or the home isn't empty.
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
            what = f"{archive} has format {content['format']}; this version reads up to {BACKUP_FORMAT}."
            raise BackupError(what, "Restore it with the version that wrote it, or a later one.")
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
    """Replace one folder by another in MLflow's stored paths; Dagster reads none of its stored paths."""
    if not database.exists():
        return
    old, new = before.as_uri(), after.absolute().as_uri()
    with closing(sqlite3.connect(database)) as store, store:
        tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in tables & set(MLFLOW_PLACES):
            for column in MLFLOW_PLACES[table]:
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?)"  # noqa: S608 - our own names
                    f" WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )
