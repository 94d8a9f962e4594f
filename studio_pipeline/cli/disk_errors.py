"""Errors of the disk: free space before a run, and refusals among the causes of other errors.

Imported only when a command needs it: `publishing.storage` loads heavy libraries.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from studio_pipeline.errors import StorageError
from studio_pipeline.publishing.storage import REMEDIES

LEAST_FREE_BYTES = 64 * 2**20

_SQLITE_REMEDIES = {
    "disk is full": "Free some space on this disk and run again; what was published before is untouched.",
    "disk i/o error": "The disk is full or failing: free some space and run again; what is published stays.",
    "readonly database": "Give this user the right to write there, or point STUDIO_HOME elsewhere.",
    "unable to open database": "Give this user the right to write there, or point STUDIO_HOME elsewhere.",
}


def check_free_space(home: Path) -> None:
    """Fail before a run if the disk has too little free space.

    Raises:
        StorageError: names the folder and the free space.
    """
    place = next((folder for folder in (home, *home.parents) if folder.is_dir()), None)
    if place is None:
        return
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE_BYTES:
        raise StorageError(
            f"Only {free >> 20} MB are free where {home} lies; a run needs {LEAST_FREE_BYTES >> 20}.",
            "Free some space on this disk and run again; what was published before is untouched.",
        )


def disk_refusal(error: BaseException, home: Path) -> StorageError | None:
    """The disk error in an error's chain of causes, as a `StorageError`; None if there is none."""
    for cause in _chain(error):
        if isinstance(cause, StorageError):
            return cause
        if isinstance(cause, OSError) and cause.errno in REMEDIES and cause.filename is not None:
            what = f"Could not write {cause.filename}: {cause.strerror}."
            return StorageError(what, REMEDIES[cause.errno])
        if isinstance(cause, OSError) and cause.errno in REMEDIES:
            return StorageError(f"Could not write in {home}: {cause.strerror}.", REMEDIES[cause.errno])
        if isinstance(cause, sqlite3.OperationalError):
            for sign, remedy in _SQLITE_REMEDIES.items():
                if sign in str(cause).lower():
                    return StorageError(f"Could not write in {home}: {cause}.", remedy)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and the chain of its causes or contexts."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
