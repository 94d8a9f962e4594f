"""Durable storage: fsync, atomic replacement, and operating system errors with remedies.

The primitives that `folders`, `locks` and `releases` build on; no knowledge of what is stored.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio_pipeline.errors import StorageError

TEMPORARY_PREFIX = ".writing-"
"""Prefix of the names of incomplete files and folders; readers skip such names."""

REMEDIES: dict[int, str] = {
    errno.ENOSPC: "Free some space on this disk and run again; what was published before is untouched.",
    errno.EDQUOT: "Free some space or raise the quota, and run again; what was published is untouched.",
    errno.EROFS: "The disk is mounted read-only: mount it writable, or point STUDIO_HOME elsewhere.",
    errno.EACCES: "Give this user the right to write there, or point STUDIO_HOME elsewhere.",
    errno.ENOTDIR: "A file stands where a folder should be: move it away, or point STUDIO_HOME elsewhere.",
    errno.EEXIST: "A file stands where a folder should be: move it away, or point STUDIO_HOME elsewhere.",
    errno.EISDIR: "A folder stands where a file should be: move it away, or point STUDIO_HOME elsewhere.",
    errno.EPERM: "Give this user the right to write there, or point STUDIO_HOME elsewhere.",
    errno.ENOENT: "This folder is not there and can't be made: point STUDIO_HOME elsewhere.",
}
"""Remedy for each error number that the operating system may return on writing."""


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn OS errors of storage (full, read-only, no permission) into a `StorageError` that names `place`.

    Any other `OSError` is a bug and passes through, as does a missing file that is neither `place` nor a
    folder on the way to it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REMEDIES or (error.errno == errno.ENOENT and not _lacks(place, error)):
            raise
        what = f"Could not write {place}: {error.strerror or error}."
        raise StorageError(what, REMEDIES[error.errno]) from error


def _lacks(place: Path, error: OSError) -> bool:
    """Check whether the missing path is `place` or a folder on the way to it."""
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
    """Replace the content of `path` atomically: a reader sees the whole old file or the whole new one."""
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
