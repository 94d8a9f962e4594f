"""Forecasts that releases publish for every studio: live accuracy even where nobody asks the service."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.monitoring.accuracy_rows import TYPES, bound_names, no_rows, together
from studio_pipeline.publishing.folders import Manifest, read_manifest
from studio_pipeline.publishing.forecast_tables import LEVEL
from studio_pipeline.publishing.releases import Release

TABLE = "table.parquet"


@dataclass(frozen=True)
class PublishedForecasts:
    """What stood in the versions of `studio_forecasts` that had not been read yet.

    Attributes:
        rows: their forecasts.
        versions: their names.
        unreadable: names of those that could not be read.
    """

    rows: pd.DataFrame
    versions: tuple[str, ...]
    unreadable: tuple[str, ...]


def published_forecasts(
    folder: Path, releases: Sequence[Release], known: Collection[str]
) -> PublishedForecasts:
    """Reads the versions of `studio_forecasts` that are there and not known yet.

    Args:
        folder: of the asset's versions.
        releases: all that have been current, in order; a version belongs to the last one before it.
        known: names of versions that were read before.
    """
    tables, read, unreadable = [], [], []
    for path in sorted(folder.glob("v-*")):
        if path.name in known:
            continue
        try:
            tables.append(_rows(path, read_manifest(path), releases))
            read.append(path.name)
        except (CorruptReleaseError, OSError, ValueError, KeyError):
            unreadable.append(path.name)
    return PublishedForecasts(together(tables), tuple(read), tuple(unreadable))


def _rows(path: Path, manifest: Manifest, releases: Sequence[Release]) -> pd.DataFrame:
    made_at = datetime.fromisoformat(manifest.created_at).astimezone(UTC)
    before = [release for release in releases if release.published_at <= made_at]
    if not before:
        return no_rows()
    lower, upper = bound_names(LEVEL)
    names = ["studio_id", "base_month", "horizon", "revenue", lower, upper]
    table = pd.read_parquet(path / TABLE, columns=names)
    return table.assign(
        source="published",
        role="champion",
        model_version=before[-1].model_version,
        made_at=pd.Timestamp(made_at.replace(tzinfo=None)).as_unit("ns"),
        levers="",
    )[[*TYPES, lower, upper]]
