"""Retention plan: the old versions that may be removed from a home, by rules.

Never in a plan: the current release with its challenger, its data and everything that its run stored, a
pinned model, the latest version of an asset, and anything younger than the configured days. This module plans
only; `pruning` takes the inventory and removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from studio_pipeline.publishing.releases import Release

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
    """One stored version that may be removed.

    Attributes:
        kind: asset version, model, data or release.
        name: of its folder or file; for an asset version with the asset's name, `raw_studio_months/v-...`.
        written_at: time at which it was completed, with a time zone.
        run_id: of an asset version or a model, the Dagster run that wrote it; empty if unknown.
        data_version: of a model, the data that it was trained on; empty if unknown.
    """

    kind: Kind
    name: str
    written_at: datetime
    run_id: str = ""
    data_version: str = ""


@dataclass(frozen=True)
class Inventory:
    """Content of a home.

    Attributes:
        releases: all readable releases, the current one last.
        asset_versions, models, data, history: the stored versions of each kind.
        pointed_at: names of the asset versions that pointers name.
        pinned_model: the model version that a setting pins, if any.
    """

    releases: Sequence[Release]
    asset_versions: Sequence[Stored] = ()
    models: Sequence[Stored] = ()
    data: Sequence[Stored] = ()
    history: Sequence[Stored] = ()
    pointed_at: frozenset[str] = frozenset()
    pinned_model: str | None = None


@dataclass(frozen=True)
class Removal:
    """One version to remove, and the reason."""

    stored: Stored
    reason: str


@dataclass(frozen=True)
class _Kept:
    """Versions and runs that the kept releases need."""

    models: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)


def plan_removals(inventory: Inventory, rules: RetentionConfig, now: datetime) -> list[Removal]:
    """List the versions that the rules don't keep: asset versions, models, data, then entries of the history.

    If no release can be read, nothing is removed, since what it needs is not known.
    """
    if not inventory.releases:
        return []
    kept = _needed(inventory, rules)
    candidates = [
        *_old_asset_versions(inventory, rules, kept),
        *_unneeded(inventory.models, kept.models, f"in none of the last {rules.releases} releases"),
        *_unneeded(inventory.data, kept.data, f"in none of the last {rules.releases} releases"),
        *_old_history(inventory, rules),
    ]
    youngest = now - timedelta(days=rules.days)
    return [removal for removal in candidates if removal.stored.written_at < youngest]


def _needed(inventory: Inventory, rules: RetentionConfig) -> _Kept:
    kept = _Kept()
    for release in inventory.releases[-rules.releases :]:
        named = (release.model_version, release.challenger_model_version)
        kept.models.update(version for version in named if version)
        kept.data.add(release.data_version)
    if inventory.pinned_model:
        kept.models.add(inventory.pinned_model)
    for model in inventory.models:
        if model.name in kept.models:
            kept.data.add(model.data_version)
    # Also the runs that trained the current models: their asset versions hold the models' backtests.
    current = inventory.releases[-1]
    kept.runs.add(current.run_id)
    trained = {current.model_version, current.challenger_model_version}
    kept.runs.update(model.run_id for model in inventory.models if model.name in trained)
    return kept


def _old_asset_versions(inventory: Inventory, rules: RetentionConfig, kept: _Kept) -> Iterable[Removal]:
    for versions in _by_asset(inventory.asset_versions).values():
        newest_first = sorted(versions, key=lambda version: (version.written_at, version.name), reverse=True)
        for version in newest_first[rules.asset_versions :]:
            if version.name not in inventory.pointed_at and version.run_id not in kept.runs:
                reason = f"older than the last {rules.asset_versions}, and not of the current release"
                yield Removal(version, reason)


def _by_asset(versions: Sequence[Stored]) -> Mapping[str, list[Stored]]:
    grouped: dict[str, list[Stored]] = {}
    for version in versions:
        grouped.setdefault(version.name.partition("/")[0], []).append(version)
    return grouped


def _unneeded(stored: Sequence[Stored], needed: set[str], reason: str) -> list[Removal]:
    return [Removal(one, reason) for one in stored if one.name not in needed]


def _old_history(inventory: Inventory, rules: RetentionConfig) -> list[Removal]:
    kept = {
        f"{release.version}.json" for release in inventory.releases[-max(rules.history, rules.releases) :]
    }
    oldest = min(inventory.releases[-max(rules.history, rules.releases) :], key=lambda r: r.version).version
    reason = f"before the last {rules.history} releases"
    return [
        Removal(one, reason)
        for one in inventory.history
        if one.name not in kept and int(one.name.partition(".")[0]) < oldest
    ]
