"""Pruning: the plan of old versions that may be removed from a STUDIO_HOME, by rules, and their removal.

Never in a plan: the current release with its challenger, its data and everything that its run stored, a
pinned model, the latest version of an asset, and anything younger than the configured days.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from studio_pipeline.publishing.folders import readable_manifest
from studio_pipeline.publishing.layout import (
    ASSET_POINTER,
    history_folder,
    models_folder,
    snapshots_folder,
    sweep_home,
)
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.releases import Release, current_release, release_history
from studio_pipeline.publishing.storage import storage_errors, temporary_name

Kind = Literal["asset version", "model", "data", "release"]


class RetentionConfig(BaseModel):
    """Configuration of retention: how many releases and versions are kept, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    releases: int = Field(
        default=24, ge=1, le=100_000, description="Latest releases that keep their models and data."
    )
    asset_versions: int = Field(
        default=6, ge=1, le=100_000, description="Latest versions of each asset that are kept."
    )
    days: int = Field(default=30, ge=0, le=36_500, description="Nothing younger than this is removed, days.")
    history: int = Field(
        default=1000, ge=1, le=1_000_000, description="Latest releases that stay in the list of releases."
    )


@dataclass(frozen=True)
class Stored:
    """One stored version that may be removed."""

    kind: Kind
    name: str  # of its folder or file; for an asset version with the asset's name, `raw_studio_months/v-...`
    written_at: datetime  # time at which it was completed, with a time zone
    run_id: str = ""  # of an asset version or a model, the Dagster run that wrote it; empty if unknown
    data_version: str = ""  # of a model, the data that it was trained on; empty if unknown


@dataclass(frozen=True)
class Inventory:
    """Content of a home."""

    releases: Sequence[Release]  # all readable releases, the current one last
    asset_versions: Sequence[Stored] = ()
    models: Sequence[Stored] = ()
    data: Sequence[Stored] = ()
    history: Sequence[Stored] = ()
    pointed_at: frozenset[str] = frozenset()  # names of the asset versions that pointers name
    pinned_model: str | None = None


@dataclass(frozen=True)
class Removal:
    """One version to remove, and the reason."""

    stored: Stored
    reason: str


def plan_removals(inventory: Inventory, rules: RetentionConfig, now: datetime) -> list[Removal]:
    """List the versions that the rules don't keep: asset versions, models, data, then entries of the history.

    If no release can be read, nothing is removed, since what it needs is not known.
    """
    if not inventory.releases:
        return []
    kept, current = inventory.releases[-rules.releases :], inventory.releases[-1]
    named = {inventory.pinned_model, *(release.model_version for release in kept)}
    models = named | {release.challenger_model_version for release in kept}
    data = {release.data_version for release in kept}
    data |= {model.data_version for model in inventory.models if model.name in models}
    # Also the runs that trained the current models: their asset versions hold the models' backtests.
    trained = {current.model_version, current.challenger_model_version}
    runs = {current.run_id, *(model.run_id for model in inventory.models if model.name in trained)}
    last = inventory.releases[-max(rules.history, rules.releases) :]
    oldest, before = min(release.version for release in last), f"before the last {rules.history} releases"
    unneeded = f"in none of the last {rules.releases} releases"
    candidates = [
        *_old_asset_versions(inventory, rules.asset_versions, runs),
        *(Removal(one, unneeded) for one in inventory.models if one.name not in models),
        *(Removal(one, unneeded) for one in inventory.data if one.name not in data),
        *(Removal(one, before) for one in inventory.history if int(one.name.partition(".")[0]) < oldest),
    ]
    youngest = now - timedelta(days=rules.days)
    return [removal for removal in candidates if removal.stored.written_at < youngest]


def _old_asset_versions(inventory: Inventory, count: int, runs: set[str]) -> Iterable[Removal]:
    by_asset: dict[str, list[Stored]] = {}
    for version in inventory.asset_versions:
        by_asset.setdefault(version.name.partition("/")[0], []).append(version)
    for versions in by_asset.values():
        newest_first = sorted(versions, key=lambda version: (version.written_at, version.name), reverse=True)
        for version in newest_first[count:]:
            if version.name not in inventory.pointed_at and version.run_id not in runs:
                yield Removal(version, f"older than the last {count}, and not of the current release")


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
        "asset version": home / "assets",
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
    assets = sorted(path for path in (home / "assets").glob("*") if path.is_dir())
    return Inventory(
        releases=release_history(home),
        asset_versions=[
            stored for asset in assets for stored in _folders("asset version", asset, f"{asset.name}/")
        ],
        models=list(_folders("model", models_folder(home))),
        data=list(_folders("data", snapshots_folder(home))),
        history=[
            Stored("release", path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC))
            for path in history_folder(home).glob("*.json")
            if path.stem.isdecimal()
        ],
        pointed_at=frozenset(
            f"{asset.name}/{pointer.read_text('utf-8')}"
            for asset in assets
            if (pointer := asset / ASSET_POINTER).exists()
        ),
        pinned_model=pinned_model,
    )


def _folders(kind: Kind, parent: Path, prefix: str = "") -> Iterator[Stored]:
    for folder in sorted(parent.glob("[!.]*")):
        if (manifest := readable_manifest(folder)) is not None:
            origin = (str(manifest.details.get(name, "")) for name in ("run_id", "data_version"))
            written_at = datetime.fromisoformat(manifest.created_at)
            yield Stored(kind, f"{prefix}{folder.name}", written_at, *origin)


def _remove(path: Path) -> None:
    with storage_errors(path):
        aside = temporary_name(path)
        path.rename(aside)
        shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
