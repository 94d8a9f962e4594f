"""Texts of the commands: commands as the user calls them, indented problems, refusals of the disk."""

from __future__ import annotations

import errno
import shlex
import shutil
import sqlite3
import sys
import textwrap
from pathlib import Path

from studio_pipeline.errors import StorageError
from studio_pipeline.publishing.storage import REMEDIES

NAME = "studio"
_SQLITE_REMEDIES = {
    "disk is full": REMEDIES[errno.ENOSPC],
    "disk i/o error": "The disk is full or failing: free some space and run again; what is published stays.",
    **dict.fromkeys(("readonly database", "unable to open database"), REMEDIES[errno.EACCES]),
}


def as_called(text: str) -> str:
    """Replace `studio ...` in a text by the path that it was called by, unless PATH leads to this program."""
    program = Path(sys.argv[0])
    if program.name != NAME or not program.exists():
        return text
    found = shutil.which(NAME)
    if found and program.samefile(found):
        return text
    return text.replace(f"`{NAME} ", f"`{shlex.quote(str(program))} ")


def indented(problem: str) -> str:
    """Indent a problem of one or more lines, to be printed below a heading."""
    return textwrap.indent(as_called(problem), "  ")


def disk_refusal(error: BaseException, home: Path) -> StorageError | None:
    """The disk error in an error's chain of causes, as a `StorageError`; None if there is none."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if isinstance(cause, StorageError):
            return cause
        if isinstance(cause, OSError) and cause.errno in REMEDIES:
            place = f"in {home}" if cause.filename is None else cause.filename
            return StorageError(f"Could not write {place}: {cause.strerror}.", REMEDIES[cause.errno])
        if isinstance(cause, sqlite3.OperationalError):
            for sign, remedy in _SQLITE_REMEDIES.items():
                if sign in str(cause).lower():
                    return StorageError(f"Could not write in {home}: {cause}.", remedy)
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return None
