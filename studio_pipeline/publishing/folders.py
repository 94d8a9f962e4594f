"""Write-once folders: written under a temporary name with a manifest of hashes, then renamed.

A folder under its final name is complete or corrupt, never incomplete: a killed run leaves a temporary
folder, which readers skip and `sweep_unfinished` removes. The names of folders in a STUDIO_HOME are in
`layout`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio_pipeline.errors import CorruptReleaseError, ReleaseError
from studio_pipeline.publishing.storage import TEMPORARY_PREFIX, fsync_file, storage_errors, temporary_name

MANIFEST = "manifest.json"
"""Name of the file that lists the others."""

RESTORE = "Restore it from a backup, or run the pipeline again to publish a new one."


@dataclass(frozen=True)
class FileRecord:
    """Size (bytes) and SHA-256 (hex) of one file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Content of a folder: its files with sizes and hashes, and details of the writer."""

    created_at: str  # time of writing, ISO 8601 with time zone
    files: Mapping[str, FileRecord]  # path inside the folder, with slashes, to its record; not the manifest
    details: Mapping[str, Any] = field(default_factory=dict)  # the writer's JSON values, such as the run id


def write_once(
    folder: Path, write: Callable[[Path], object], details: Mapping[str, Any] | None = None
) -> Manifest:
    """Write a folder that appears under its name only once it is complete and synced to disk.

    `write` fills an empty folder. A ReleaseError if the folder exists already.
    """
    _refuse_existing(folder)
    with storage_errors(folder), _temporary_folder(folder) as temporary:
        write(temporary)
        files = {name: record_of(temporary / name) for name in _file_names(temporary)}
        manifest = Manifest(datetime.now(UTC).isoformat(), files, dict(details or {}))
        (temporary / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, allow_nan=False), "utf-8")
        for path in [*temporary.rglob("*"), temporary]:
            fsync_file(path)
        _refuse_existing(folder)
        temporary.rename(folder)
        fsync_file(folder.parent)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder, its files unchecked; CorruptReleaseError if it is missing or unreadable."""
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
        files = {str(name): FileRecord(**record) for name, record in content["files"].items()}
        return Manifest(content["created_at"], files, content["details"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptReleaseError(f"{folder} has no readable {MANIFEST} ({error}).", RESTORE) from error


def readable_manifest(folder: Path) -> Manifest | None:
    """`read_manifest`; None if there is none, or it can't be parsed."""
    try:
        return read_manifest(folder)
    except CorruptReleaseError:
        return None


def verify_folder(folder: Path) -> Manifest:
    """Compare a folder with its manifest; CorruptReleaseError for a file missing, unlisted, or different."""
    manifest = read_manifest(folder)
    present = {name for name in _file_names(folder) if name != MANIFEST}
    if odd := sorted(present ^ set(manifest.files)):
        fault = "is not in its manifest" if odd[0] in present else "is missing"
        raise CorruptReleaseError(f"{folder / odd[0]} {fault}.", RESTORE)
    for name, record in manifest.files.items():
        try:
            found = record_of(folder / name)
        except OSError as error:
            raise CorruptReleaseError(
                f"{folder / name} can't be read ({error.strerror}).", RESTORE
            ) from error
        if found != record:
            raise CorruptReleaseError(f"{folder / name} is not the file that was published.", RESTORE)
    return manifest


def sweep_unfinished(parent: Path, min_age_seconds: float = 60.0) -> list[Path]:
    """Remove incomplete files and folders of killed runs directly under `parent`, and return their paths.

    Live ones stay, and those younger than `min_age_seconds`, which a writer may not have locked yet.
    """
    swept = []
    for path in sorted(parent.glob(f"{TEMPORARY_PREFIX}*")) if parent.is_dir() else []:
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime >= min_age_seconds and not _is_being_written(path):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                swept.append(path)
    return swept


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        what = f"{folder} is already there, and published folders never change."
        raise ReleaseError(what, "Use a new version.")


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, locked while it is written so that no sweep removes it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(folder)
    temporary.mkdir()
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        # The kernel releases this lock even when the writer is killed.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


def _is_being_written(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _file_names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def record_of(path: Path) -> FileRecord:
    """Size and hash of a file."""
    with path.open("rb") as file:
        return FileRecord(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
