"""Pruning: removal of old versions from a STUDIO_HOME.

Takes the inventory of a home and removes what the plan of `retention` lists; the rules themselves are there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from studio_pipeline.publishing.folders import readable_manifest
from studio_pipeline.publishing.layout import history_folder, models_folder, snapshots_folder, sweep_home
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.releases import current_release, release_history
from studio_pipeline.publishing.retention import (
    Inventory,
    Kind,
    Removal,
    RetentionConfig,
    Stored,
    plan_removals,
)
from studio_pipeline.publishing.storage import storage_errors, temporary_name

ASSETS = "assets"
POINTER = "current"


def planned_removals(home: Path, rules: RetentionConfig, pinned_model: str | None) -> list[Removal]:
    """The removals that `prune` would make now.

    Raises:
        ReleaseError: nothing is published, or its pointer can't be read: then nothing may be removed.
    """
    current_release(home)
    return plan_removals(take_inventory(home, pinned_model), rules, datetime.now(UTC))


def prune(home: Path, rules: RetentionConfig, pinned_model: str | None) -> list[Removal]:
    """Remove the versions that the rules don't keep, and incomplete files, while no run is active.

    If the process is killed, each version is either whole or under a name that the next sweep removes.

    Raises:
        RunInProgressError: a run is using the home.
        ReleaseError: nothing is published, or its pointer can't be read.
        StorageError: removing failed.
    """
    with hold_lock(home):
        sweep_home(home)
        removals = planned_removals(home, rules, pinned_model)
        for removal in removals:
            _remove(path_of(home, removal.stored))
    return removals


def path_of(home: Path, stored: Stored) -> Path:
    """The path of a stored version."""
    folders: dict[Kind, Path] = {
        "asset version": home / ASSETS,
        "model": models_folder(home),
        "data": snapshots_folder(home),
        "release": history_folder(home),
    }
    return folders[stored.kind] / stored.name


def size_bytes(path: Path) -> int:
    """Size of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]
    return sum(file.stat().st_size for file in files)


def take_inventory(home: Path, pinned_model: str | None) -> Inventory:
    """The inventory of a home; unreadable folders are left out, and so are never removed."""
    assets = sorted(path for path in (home / ASSETS).glob("*") if path.is_dir())
    return Inventory(
        releases=release_history(home),
        asset_versions=[
            stored for asset in assets for stored in _folders("asset version", asset, f"{asset.name}/")
        ],
        models=list(_folders("model", models_folder(home))),
        data=list(_folders("data", snapshots_folder(home))),
        history=_history(home),
        pointed_at=frozenset(
            f"{asset.name}/{name}" for asset in assets for name in _pointed_at(asset / POINTER)
        ),
        pinned_model=pinned_model,
    )


def _folders(kind: Kind, parent: Path, prefix: str = "") -> Iterator[Stored]:
    for folder in sorted(parent.glob("[!.]*")):
        manifest = readable_manifest(folder)
        if manifest is not None:
            yield Stored(
                kind,
                f"{prefix}{folder.name}",
                datetime.fromisoformat(manifest.created_at),
                str(manifest.details.get("run_id", "")),
                str(manifest.details.get("data_version", "")),
            )


def _pointed_at(pointer: Path) -> Sequence[str]:
    return [pointer.read_text("utf-8")] if pointer.exists() else []


def _history(home: Path) -> list[Stored]:
    files = [path for path in history_folder(home).glob("*.json") if path.stem.isdecimal()]
    return [Stored("release", path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC)) for path in files]


def _remove(path: Path) -> None:
    with storage_errors(path):
        aside = temporary_name(path)
        path.rename(aside)
        shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
