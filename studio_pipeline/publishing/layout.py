"""Layout of a STUDIO_HOME: paths of its folders and files, and the validity of version names.

Writing and verifying the folders is in `folders`.
"""

from __future__ import annotations

import re
from pathlib import Path

from studio_pipeline.errors import ReleaseError
from studio_pipeline.publishing.folders import sweep_unfinished

ASSET_POINTER = "current"
"""Name of the file beside the versions of an asset that points to the latest one."""

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def models_folder(home: Path) -> Path:
    """Folder of the model bundles, one per version."""
    return home / "models"


def snapshots_folder(home: Path) -> Path:
    """Folder of the panel snapshots, one per data version."""
    return home / "data"


def asset_folder(home: Path, name: str) -> Path:
    """Folder of all versions of an asset."""
    return home / "assets" / name


def model_folder(home: Path, model_version: str) -> Path:
    """Folder of one model bundle; a `ReleaseError` if the version can't be a folder's name."""
    return models_folder(home) / _checked(model_version)


def snapshot_folder(home: Path, data_version: str) -> Path:
    """Folder of one panel snapshot; a `ReleaseError` if the version can't be a folder's name."""
    return snapshots_folder(home) / _checked(data_version)


def pointer_file(home: Path) -> Path:
    """The file that names the current release."""
    return home / "release.json"


def history_folder(home: Path) -> Path:
    """Folder of all releases, one numbered file per release."""
    return home / "releases"


def shown_from(home: Path, message: str) -> str:
    """A message with paths relative to `home`, such as `models/7`; `home` itself is shown as STUDIO_HOME."""
    return message.replace(f"{home}/", "").replace(str(home), "STUDIO_HOME")


def sweep_home(home: Path, min_age_seconds: float = 60.0) -> list[Path]:
    """Remove incomplete files and folders of killed runs in `home`, and return their paths."""
    parents = [home, models_folder(home), snapshots_folder(home), history_folder(home)]
    parents += sorted((home / "assets").glob("*"))
    return [path for parent in parents for path in sweep_unfinished(parent, min_age_seconds)]


def _checked(version: str) -> str:
    if not _VERSION.fullmatch(version):
        remedy = "Use letters, digits, dots, dashes and underscores, starting with a letter or a digit."
        raise ReleaseError(f"{version!r} can't be a version.", remedy)
    return version
