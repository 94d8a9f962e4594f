"""Forecasts as rows, one per month ahead: those published, and those read from the service's log.

Columns: `source` ("published" with a release for every studio, or "asked" of the service), `role`,
`model_version`, `studio_id`, `base_month`, `horizon` (1..12), `made_at` (UTC, without zone), `levers` (JSON
of the given ones, "" where all are free), `revenue` (currency), and `lower_L`, `upper_L` for every level L in
per cent that has been logged, NaN where it was not requested.

The service's tables are declared again here because `studio_pipeline` does not import `serving`; a test
compares them with its own. An unreachable database or missing tables are reported in `Reading.problem`, not
raised. `logged_forecasts` parses the logged rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Engine,
    MetaData,
    Table,
    Text,
    cast,
    create_engine,
    make_url,
    select,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import Select

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.panel.frames import empty_table, stacked_tables
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


def levels_of(rows: pd.DataFrame) -> list[float]:
    """Interval levels, 0..1, that have columns in a table."""
    percents = [float(name.removeprefix("lower_")) for name in map(str, rows) if name.startswith("lower_")]
    return sorted(percent / 100 for percent in percents)


def bound_names(level: float) -> tuple[str, str]:
    """Names of the lower and upper column of an interval level, 0..1."""
    return f"lower_{100 * level:g}", f"upper_{100 * level:g}"


def together(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate tables of forecasts, keeping the `MOST_LEVELS` interval levels that most rows have."""
    joined = stacked_tables(tables, TYPES)
    counts = {level: int(joined[bound_names(level)[0]].notna().sum()) for level in levels_of(joined)}
    kept = sorted(counts, key=lambda level: (level != 0.9, -counts[level], level))[:MOST_LEVELS]
    return joined[[*TYPES, *(name for level in sorted(kept) for name in bound_names(level))]]


def last_of_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the forecast made last of those that agree in `KEY`; the order depends on content alone."""
    if rows.empty:
        return rows
    numbers = [str(name) for name in rows if name not in KEY]
    ordered = pd.DataFrame({name: pd.factorize(rows[name], sort=True)[0] for name in KEY})
    ordered = ordered.assign(**{name: rows[name].to_numpy() for name in numbers})
    others = [name for name in numbers if name != "made_at"]
    ordered = ordered.sort_values([*KEY, "made_at", *others], kind="stable")
    last = ordered.index[~ordered.duplicated(list(KEY), keep="last")]
    kept: pd.DataFrame = rows.iloc[last]
    return kept.reset_index(drop=True)


TABLE = "table.parquet"


@dataclass(frozen=True)
class PublishedForecasts:
    """Forecasts of the versions of `studio_forecasts` that were read now, and the unreadable versions."""

    rows: pd.DataFrame
    versions: tuple[str, ...]
    unreadable: tuple[str, ...]


def published_forecasts(
    folder: Path, releases: Sequence[Release], known: Collection[str]
) -> PublishedForecasts:
    """Read the versions of `studio_forecasts` in a folder that are not among the `known` names.

    Releases are all that have been current, in order; a version belongs to the last one before it.
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
        return empty_table(TYPES)
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


BATCH_ROWS = 2000
"""Logged answers in memory at once, a few kilobytes each."""

_SECONDS = 60
_IDS_AT_ONCE = 500
_metadata = MetaData()


def _columns(kind: type[Text | Date] | DateTime, *names: str) -> Iterator[Column[Any]]:
    return (Column(name, kind) for name in names)


_TIME = DateTime(timezone=True)
predictions = Table(
    "predictions",
    _metadata,
    *_columns(Text, "kind", "studio_id", "inputs", "outputs", "model_version", "role"),
    *_columns(Date, "base_month"),
    *_columns(_TIME, "made_at"),
)
scenarios = Table(
    "scenarios",
    _metadata,
    *_columns(Text, "id", "name", "studio_id", "kind", "request", "answer", "model_version"),
    *_columns(Date, "base_month"),
    *_columns(_TIME, "created_at"),
)
deletions = Table("deletions", _metadata, Column("studio_id", Text), Column("deleted_at", _TIME))
_JSON = ("inputs", "outputs", "request", "answer")


@dataclass
class Reading:
    """Status of reading the log; the problem is one sentence, "" if everything was read."""

    problem: str = ""


class ForecastLog:
    """The service's own tables, read only, at the URL of the setting STUDIO_DATABASE_URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def answers(self, reading: Reading, since: datetime | None = None) -> Iterator[list[Any]]:
        """Logged forward answers in batches, in no particular order, JSON as text.

        With `since`, UTC without zone, those made from then on. A problem is set if reading stopped early.
        """
        query = select(*_texts(predictions)).where(predictions.c.kind == "forward")
        if since is not None:
            query = query.where(predictions.c.made_at >= since.replace(tzinfo=UTC))
        yield from self._batches(query, reading)

    def saved(self, reading: Reading, most: int) -> list[Any]:
        """The newest saved forward scenarios, at most `most` of them, JSON as text."""
        query = select(*_texts(scenarios)).where(scenarios.c.kind == "forward")
        query = query.order_by(scenarios.c.created_at.desc(), scenarios.c.id.desc()).limit(most)
        return [row for batch in self._batches(query, reading) for row in batch]

    def existing(self, reading: Reading, scenario_ids: Sequence[str]) -> set[str]:
        """Those of the given scenario ids that are still saved."""
        found: set[str] = set()
        for first in range(0, len(scenario_ids), _IDS_AT_ONCE):
            some = scenario_ids[first : first + _IDS_AT_ONCE]
            rows = self._batches(select(scenarios.c.id).where(scenarios.c.id.in_(some)), reading)
            found.update(row.id for batch in rows for row in batch)
        return found

    def deleted(self, reading: Reading) -> dict[str, datetime]:
        """Map each studio to the time, UTC without zone, at which its records were last deleted."""
        rows = self._batches(select(*_texts(deletions)), reading)
        return {row.studio_id: moment(row.deleted_at) for batch in rows for row in batch}

    def _batches(self, query: Select[Any], reading: Reading) -> Iterator[list[Any]]:
        parsed = make_url(self._url)
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            reading.problem = "The service has not logged anything yet: its database is not there."
            return
        engine = _read_only(self._url)
        try:
            with engine.connect() as connection:
                streaming = connection.execution_options(stream_results=True, yield_per=BATCH_ROWS)
                for batch in streaming.execute(query).partitions():
                    yield list(batch)
        except SQLAlchemyError as error:
            reading.problem = (
                f"The service's database could not be read ({type(error).__name__}): its tables are not there"
                " yet, or it is away. What was read before stands."
            )
        finally:
            engine.dispose()


def moment(value: datetime) -> datetime:
    """Convert a timestamp of the log to UTC, without zone."""
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def _texts(table: Table) -> list[Any]:
    return [cast(c, Text).label(c.name) if c.name in _JSON else c for c in table.columns]


def _read_only(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "").as_uri()
        return create_engine(
            parsed.set(database=f"{path}?mode=ro", query={"uri": "true"}), connect_args={"timeout": _SECONDS}
        )
    limits = f"-c statement_timeout={_SECONDS}s -c timezone=UTC -c default_transaction_read_only=on"
    options = f"{limits} {parsed.query.get('options', '')}".strip()
    # The service also accepts a plain postgres:// URL, which SQLAlchemy does not.
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"), connect_args={"options": options, "connect_timeout": 3}
    )
