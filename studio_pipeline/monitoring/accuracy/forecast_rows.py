"""Table of forecasts, one row per month ahead, and its rows from published `studio_forecasts`.

Columns: `source` ("published" with a release for every studio, or "asked" of the service), `role`,
`model_version`, `studio_id`, `base_month`, `horizon` (1..12), `made_at` (UTC, without zone), `levers` (JSON
of the given ones, "" where all are free), `revenue` (currency), and `lower_L`, `upper_L` for every level L in
per cent that has been logged, NaN where it was not requested.

Combining and deduplicating tables belongs here; rows from the service's log are built in `logged_forecasts`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.panel.arrays import IntArray
from studio_pipeline.publishing.folders import Manifest, read_manifest
from studio_pipeline.publishing.forecast_tables import LEVEL
from studio_pipeline.publishing.releases import Release

TYPES: dict[str, str] = {
    "source": "object",
    "role": "object",
    "model_version": "object",
    "studio_id": "object",
    "base_month": "datetime64[ns]",
    "horizon": "int64",
    "made_at": "datetime64[ns]",
    "levers": "object",
    "revenue": "float64",
}
KEY: tuple[str, ...] = ("source", "role", "model_version", "studio_id", "base_month", "horizon", "levers")
"""Two forecasts that agree in these columns answer the same question."""

MOST_LEVELS = 8
"""Interval levels kept at most: 90 %, and those logged most often."""


def no_rows() -> pd.DataFrame:
    """An empty table."""
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in TYPES.items()})


def levels_of(rows: pd.DataFrame) -> list[float]:
    """Interval levels, 0..1, that have columns in a table."""
    percents = [float(name.removeprefix("lower_")) for name in map(str, rows) if name.startswith("lower_")]
    return sorted(percent / 100 for percent in percents)


def bound_names(level: float) -> tuple[str, str]:
    """Names of the lower and upper column of an interval level, 0..1."""
    return f"lower_{100 * level:g}", f"upper_{100 * level:g}"


def together(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate tables of forecasts, keeping the `MOST_LEVELS` interval levels that most rows have."""
    filled = [table for table in tables if len(table)]
    if not filled:
        return no_rows()
    joined = pd.concat(filled, ignore_index=True)
    counts = {level: int(joined[bound_names(level)[0]].notna().sum()) for level in levels_of(joined)}
    kept = sorted(counts, key=lambda level: (level != 0.9, -counts[level], level))[:MOST_LEVELS]
    return joined[[*TYPES, *(name for level in sorted(kept) for name in bound_names(level))]]


def last_of_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the forecast made last of those that agree in `KEY`; the order depends on content alone."""
    if rows.empty:
        return rows
    codes = pd.DataFrame({name: _codes(rows[name]) for name in KEY})
    numbers = [str(name) for name in rows if name not in (*KEY, "made_at")]
    ordered = codes.assign(
        made_at=rows["made_at"].to_numpy(), **{name: rows[name].to_numpy() for name in numbers}
    )
    ordered = ordered.sort_values([*KEY, "made_at", *numbers], kind="stable", ignore_index=False)
    last = ordered.index[~ordered.duplicated(list(KEY), keep="last")]
    kept: pd.DataFrame = rows.iloc[last]
    return kept.reset_index(drop=True)


def _codes(column: pd.Series) -> IntArray:
    return np.asarray(pd.factorize(column, sort=True)[0], np.int64)


TABLE = "table.parquet"


@dataclass(frozen=True)
class PublishedForecasts:
    """Forecasts of the versions of `studio_forecasts` that had not been read before.

    Attributes:
        rows: their forecasts.
        versions: names of the versions read.
        unreadable: names of the versions that could not be read.
    """

    rows: pd.DataFrame
    versions: tuple[str, ...]
    unreadable: tuple[str, ...]


def published_forecasts(
    folder: Path, releases: Sequence[Release], known: Collection[str]
) -> PublishedForecasts:
    """Read the versions of `studio_forecasts` that were not read before.

    Args:
        folder: folder of the asset's versions.
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
