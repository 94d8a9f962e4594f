"""Retention plan: which old versions a home keeps, by rules.

What is published is never in a plan: the current release with its challenger, its data and all that its run
left behind; nor is a pinned model, the latest version of an asset, or anything younger than the rules say.
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
    """How much of the past is kept."""

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
    """One thing that could be removed.

    Attributes:
        kind: what it is.
        name: of its folder or file; an asset's with the asset before it, `raw_studio_months/v-...`.
        written_at: when it was finished, with a time zone.
        run_id: of an asset version or a model, the Dagster run that wrote it; empty where nothing tells.
        data_version: of a model, the data that it was trained on; empty where nothing tells.
    """

    kind: Kind
    name: str
    written_at: datetime
    run_id: str = ""
    data_version: str = ""


@dataclass(frozen=True)
class Inventory:
    """What a home holds.

    Attributes:
        releases: all that can be read, the current one last.
        asset_versions, models, data, history: what stands there.
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
    """One thing to remove, and why."""

    stored: Stored
    reason: str


@dataclass(frozen=True)
class _Kept:
    """What kept releases need."""

    models: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)


def plan_removals(inventory: Inventory, rules: RetentionConfig, now: datetime) -> list[Removal]:
    """What the rules let go of, asset versions first, then models, data and entries of the history.

    Where no release can be read, nothing is removed: what it would need is not known.
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
    # Of the current release also the runs that made its models: their backtests say how good they are.
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
