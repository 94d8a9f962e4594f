"""One short text for all that a run would read of a landing folder: names and contents, with the maps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from studio_pipeline.panel.landing import landing_sources

DIGEST_LENGTH = 16
UNREADABLE = "unreadable"
"""Stands for the content of a file that can't be opened; mending its permissions makes it another content."""


def landing_digest(folder: Path) -> str:
    """The digest of what the folder holds now.

    Equal digests mean equal names and contents of every data file, and of every map that applies to one;
    times don't matter. A folder without files, or none at all, has a digest too.

    Raises:
        StorageError: the folder can't be listed.
    """
    return digest_of({name: content_sha(path) for name, path in landing_paths(folder).items()})


def landing_paths(folder: Path) -> dict[str, Path]:
    """Every data file, and every map that applies to one, by its name in the folder.

    Raises:
        StorageError: the folder can't be listed.
    """
    sources = landing_sources(folder)
    maps = {source.map_path for source in sources if source.map_path is not None}
    paths = sorted({source.path for source in sources} | maps)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def digest_of(contents: Mapping[str, str]) -> str:
    """The digest of names and the SHA-256 of each."""
    return hashlib.sha256(json.dumps(sorted(contents.items())).encode()).hexdigest()[:DIGEST_LENGTH]


def content_sha(path: Path) -> str:
    """SHA-256 of a file; "" where it is gone, `UNREADABLE` where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
    except OSError:
        return UNREADABLE
