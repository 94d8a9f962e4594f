"""Scans of the landing folder: snapshots of its files, and the digest of the content that a run would read.

A file is settled once it has stayed unchanged for `SETTLE_SECONDS`: by its modification time if it is new,
else since the scan that first found its present state. So a file that appears by rename is settled at once,
and a slow copy is not. The rows of the files are read in `landing`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from studio_pipeline.errors import StorageError, StudioError
from studio_pipeline.panel.ingest.landing import landing_sources, temporary_files

DIGEST_LENGTH = 16
UNREADABLE = "unreadable"
"""Placeholder digest of a file that can't be opened; once it can be read, its digest changes."""


def landing_digest(folder: Path) -> str:
    """The digest of the folder's present content.

    Equal digests mean equal names and contents of every data file, and of every map that applies to one;
    times don't matter. A folder without files, or none at all, has a digest too. StorageError if it can't be
    listed.
    """
    return _digest_of({name: content_sha(path) for name, path in _landing_paths(folder).items()})


def readable_digest(folder: Path) -> str:
    """`landing_digest`; "" if the folder can't be read, which a run or the landing sensor then reports."""
    try:
        return landing_digest(folder)
    except StudioError:
        return ""


def _landing_paths(folder: Path) -> dict[str, Path]:
    """Paths of all data files, and of the maps that apply to them, by name in the folder."""
    sources = landing_sources(folder)
    maps = {source.map_path for source in sources if source.map_path is not None}
    paths = sorted({source.path for source in sources} | maps)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _digest_of(contents: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(contents.items())).encode()).hexdigest()[:DIGEST_LENGTH]


def content_sha(path: Path) -> str:
    """SHA-256 of a file; "" if it no longer exists, `UNREADABLE` if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
    except OSError:
        return UNREADABLE


SETTLE_SECONDS = 3.0
_NAMED = 3


@dataclass(frozen=True)
class FileState:
    """State of one file in a scan."""

    stamp: tuple[int, ...]  # modification and change time (ns), size in bytes, inode: any write changes one
    since: float  # time of the scan that first found this stamp, seconds since 1970
    sha256: str  # of the content; "" as long as the file is not settled


@dataclass(frozen=True)
class FolderSnapshot:
    """Content of the landing folder at one scan."""

    files: Mapping[str, FileState] = field(default_factory=dict)  # data files and their maps, by name
    gone: tuple[str, ...] = ()  # names of files that were listed and disappeared before they were read
    temporary: tuple[str, ...] = ()  # names of files that no run reads until they are renamed

    @property
    def contents(self) -> dict[str, str]:
        """SHA-256 of every file, by name."""
        return {name: state.sha256 for name, state in self.files.items()}

    @property
    def digest(self) -> str:
        """The digest of the content that a run would read; meaningful only if no file is unsettled."""
        return _digest_of(self.contents)

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Files under their final names that may still be in the process of being written or replaced."""
        return (*(name for name, state in self.files.items() if not state.sha256), *self.gone)


def look_at(folder: Path, before: FolderSnapshot, now: float) -> FolderSnapshot:
    """Scan the folder (it may be absent) at `now`, s since 1970; unchanged files are not read again."""
    paths = _landing_paths(folder)
    found = {name: _state(name, path, before.files.get(name), now) for name, path in paths.items()}
    files = {name: state for name, state in found.items() if state is not None}
    gone = tuple(name for name, state in found.items() if state is None)
    return FolderSnapshot(files, gone, tuple(temporary_files(folder)))


def _state(name: str, path: Path, known: FileState | None, now: float) -> FileState | None:
    """The state of one file; None if it disappeared after the folder was listed."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        what = f"{name}: can't be looked at ({error.strerror})."
        raise StorageError(what, "Fix its permissions.") from error
    stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
    changed = known is not None and known.stamp != stamp
    if known is not None and not changed and known.sha256:
        return known
    since = now if known is None or changed else known.since
    old = now - status.st_mtime >= SETTLE_SECONDS
    settled = now - since >= SETTLE_SECONDS or (old and not changed)
    return FileState(stamp, since, content_sha(path) if settled else "")


def changes_in_words(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """New, changed and removed files between two contents (SHA-256 by name), as part of a sentence, or ""."""
    kinds = {
        "new": [name for name in after if name not in before],
        "changed": [name for name in after if name in before and after[name] != before[name]],
        "removed": [name for name in before if name not in after],
    }
    return ", ".join(f"{kind}: {names_in_words(names)}" for kind, names in kinds.items() if names)


def names_in_words(names: Sequence[str]) -> str:
    """The first few names, and the number of further ones."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def look_to_json(look: FolderSnapshot) -> dict[str, Any]:
    """The files of a snapshot as JSON values."""
    return {name: asdict(state) for name, state in look.files.items()}


def look_from_json(value: Mapping[str, Any]) -> FolderSnapshot:
    """The inverse of `look_to_json`; KeyError, TypeError or ValueError if the value is not a snapshot."""
    files = {
        str(name): FileState(tuple(state["stamp"]), float(state["since"]), str(state["sha256"]))
        for name, state in value.items()
    }
    return FolderSnapshot(files)
