"""Durable storage: fsync, atomic replacement, and errors of a refusing disk."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio_pipeline.errors import StorageError

TEMPORARY_PREFIX = ".writing-"
"""How the name of everything half-written begins; readers skip such names."""

REMEDIES: dict[int, str] = {
    errno.ENOSPC: "Free some space on this disk and run again; what was published before is untouched.",
    errno.EDQUOT: "Free some space or raise the quota, and run again; what was published is untouched.",
    errno.EROFS: "The disk is mounted read-only: mount it writable, or point STUDIO_HOME elsewhere.",
    errno.EACCES: "Give this user the right to write there, or point STUDIO_HOME elsewhere.",
    errno.ENOTDIR: "A file stands where a folder should be: move it away, or point STUDIO_HOME elsewhere.",
    errno.EEXIST: "A file stands where a folder should be: move it away, or point STUDIO_HOME elsewhere.",
    errno.EPERM: "Give this user the right to write there, or point STUDIO_HOME elsewhere.",
    errno.ENOENT: "This folder is not there and can't be made: point STUDIO_HOME elsewhere.",
}
"""What a person can do about each refusal of a disk."""


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn the refusals of a disk (full, read-only, no permission) into a `StorageError` that names `place`.

    Any other `OSError` passes through: it is a bug, not a full disk. So is a missing file that is neither
    `place` nor a folder on the way to it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REMEDIES or (error.errno == errno.ENOENT and not _lacks(place, error)):
            raise
        raise StorageError(
            f"Could not write {place}: {error.strerror or error}.", REMEDIES[error.errno]
        ) from error


def _lacks(place: Path, error: OSError) -> bool:
    """Whether `place`, or a folder on the way to it, is what is missing."""
    missing = Path(os.fsdecode(error.filename or ""))
    return missing in (place, *place.parents) or not place.parent.exists()


def fsync_file(path: Path) -> None:
    """Wait until the content of a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_name(path: Path) -> Path:
    """A name beside `path` that no other writer uses."""
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}-{secrets.token_hex(4)}")


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path` at once: a reader sees the old file or the new one, whole.

    Raises:
        StorageError: the disk refused; the old file is untouched.
    """
    temporary = temporary_name(path)
    with storage_errors(path):
        try:
            temporary.write_bytes(content)
            fsync_file(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync_file(path.parent)
