"""Releases: the published pair of model and data, as one pointer file and a numbered history.

Publishing, reading and verifying releases is here. Bundles and snapshots that a release names are in
`bundles` and `snapshots`; the decision to publish is made in `evaluation.promotion`.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from studio_pipeline.errors import CorruptReleaseError, NoReleaseError, StorageError, SyntheticReleaseError
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import history_folder, model_folder, pointer_file, snapshot_folder
from studio_pipeline.publishing.locks import PUBLISH_LOCK, hold_lock
from studio_pipeline.publishing.storage import REMEDIES, replace_file, storage_errors

Source = Literal["landing", "generator"]


@dataclass(frozen=True)
class Release:
    """A model version and a data version that are served together."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    model_version: str  # a bundle in `models/`
    data_version: str  # a snapshot in `data/`
    source: Source  # "landing" for real files, "generator" for synthetic months
    last_month: date  # the data's last month, as its first day
    run_id: str
    published_at: datetime  # time of publication, with a time zone
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the evaluation; only finite ones
    challenger_model_version: str | None = None  # a second bundle for A/B, if any
    version: int = 0  # the release's number, 1 for the first; `publish_release` assigns it
    decision_kind: str = ""  # `release_decision.Kind` that led to it; empty in older releases


def publish_release(home: Path, release: Release) -> Release:
    """Make `release` the current one, after verifying everything it names; returns it with its number.

    The pointer is replaced atomically: after a crash either the old release or the new one is current.

    Raises:
        SyntheticReleaseError: the current release is made from real files and this one is not.
        CorruptReleaseError: a bundle or the snapshot doesn't verify.
        RunInProgressError: another process is publishing.
    """
    with hold_lock(home, PUBLISH_LOCK):
        check_replaceable(home, release.source)
        verify_release(home, release)
        with storage_errors(history_folder(home)):
            history_folder(home).mkdir(parents=True, exist_ok=True)
        try:
            last = current_release(home).version
        except (NoReleaseError, CorruptReleaseError):
            last = max(_numbers(home), default=0)
        numbered = dataclasses.replace(release, version=last + 1)
        content = _to_json(numbered)
        # The history is written first: an entry above the pointer's number was never current and is replaced.
        replace_file(history_folder(home) / f"{numbered.version}.json", content)
        replace_file(pointer_file(home), content)
    return numbered


def check_replaceable(home: Path, source: Source) -> None:
    """Refuse to replace real months by synthetic ones (SyntheticReleaseError); call it before a run."""
    current = newest_release(home)
    if current is not None and current.source == "landing" and source == "generator":
        raise SyntheticReleaseError(
            f"Release {current.version} of {home} is made from real files; generated months can't follow.",
            "Put files into the landing folder, or use another STUDIO_HOME for generated months.",
        )


def verify_release(home: Path, release: Release) -> None:
    """Compare all folders that a release names with their manifests, as by `verify_folder`."""
    verify_folder(snapshot_folder(home, release.data_version))
    verify_folder(model_folder(home, release.model_version))
    if release.challenger_model_version is not None:
        verify_folder(model_folder(home, release.challenger_model_version))


def current_release(home: Path) -> Release:
    """The current release, as the pointer names it.

    Raises:
        NoReleaseError: nothing is published yet.
        CorruptReleaseError: the pointer can't be read.
        StorageError: `home` is a file, or is below one.
    """
    try:
        return _read(pointer_file(home))
    except FileNotFoundError as error:
        remedy = "Run `studio run`, or set STUDIO_HOME to a folder with a release."
        raise NoReleaseError(f"Nothing is published in {home} yet.", remedy) from error


def release_history(home: Path) -> list[Release]:
    """All releases that have been current, the first one first; unreadable entries are left out."""
    try:
        last = current_release(home).version
    except NoReleaseError:
        return []
    except CorruptReleaseError:
        last = max(_numbers(home), default=0)
    releases = (_try_read(home, number) for number in _numbers(home) if number <= last)
    return [release for release in releases if release is not None]


def pointer_identity(home: Path) -> tuple[int, int] | None:
    """Inode and modification time (ns) of the pointer, which change with every release; None without one.

    Raises:
        StorageError: the pointer can't be accessed now; it may become accessible again.
    """
    path = pointer_file(home)
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        otherwise = "Restore it from a backup, or publish again with `studio run`."
        remedy = REMEDIES.get(error.errno or 0, otherwise)
        raise StorageError(f"Could not read {path}: {error.strerror}.", remedy) from error
    return status.st_ino, status.st_mtime_ns


def newest_release(home: Path) -> Release | None:
    """The current release; if its pointer can't be read, the last of the history; None if there is none."""
    try:
        return current_release(home)
    except NoReleaseError:
        return None
    except CorruptReleaseError:
        return next(reversed(release_history(home)), None)


def _numbers(home: Path) -> list[int]:
    """Numbers of the history's entries, in order."""
    return sorted(int(path.stem) for path in history_folder(home).glob("*.json") if path.stem.isdecimal())


def _try_read(home: Path, number: int) -> Release | None:
    try:
        return _read(history_folder(home) / f"{number}.json")
    except (CorruptReleaseError, FileNotFoundError):
        return None


def _read(path: Path) -> Release:
    try:
        release = _RELEASE.validate_json(path.read_bytes())
        if release.version < 1:
            raise ValueError(f"version is {release.version}")
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:
        raise StorageError(f"Could not read {path}: {error.strerror}.", REMEDIES[errno.ENOTDIR]) from error
    except (OSError, ValueError) as error:
        remedy = "Publish again with `studio run`, or restore it from a backup."
        raise CorruptReleaseError(f"{path} can't be read ({_reason(error)}).", remedy) from error
    return release


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


_RELEASE = TypeAdapter(Release)


def _to_json(release: Release) -> bytes:
    content = dataclasses.asdict(release)
    content["metrics"] = {name: float(v) for name, v in release.metrics.items() if math.isfinite(v)}
    return json.dumps(content, indent=1, allow_nan=False, default=lambda day: day.isoformat()).encode()
