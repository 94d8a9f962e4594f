"""Import of files into the landing folder: checked as in a run, then copied together with their map.

Files already in the folder are never changed: a file with the same name and other content gets a numbered
name.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path

import pandas as pd

from studio_pipeline.errors import InputError, StorageError, UnreadableFileError
from studio_pipeline.panel.ingest.column_maps import MAP_SUFFIX, map_beside, read_column_map
from studio_pipeline.panel.ingest.csv_files import naive_utc
from studio_pipeline.panel.ingest.landing import Ledger, combined, is_temporary, landing_sources, read_ledger
from studio_pipeline.panel.ingest.source_files import Source, SourceRows, read_source, read_sources
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.validation import (
    ValidatedMonths,
    over_limit,
    rejected_share_by_month,
    validate_months,
)

_SHOWN = 10
_BEING_IMPORTED = "/"
"""Placeholder name of the file being imported; no file can have it."""
_ANOTHER_DAY = datetime(9999, 1, 1)  # noqa: DTZ001


@dataclass(frozen=True)
class ImportedFile:
    """Result of the import of one file."""

    source: Path  # the path of the file as given
    landed: Path | None  # its path in the landing folder; None if it was refused
    already_there: bool = False  # it was in the folder with this content and map before
    refusal: str = ""  # the file, the reason of the refusal, and what to do; "" if it was not refused
    read: SourceRows | None = None  # its rows, if it was not refused
    rejected: pd.DataFrame | None = None  # faults: file, line, studio_id, month_year, column, value, reason
    warnings: pd.DataFrame | None = None  # the same, for cells that will be changed while their row is kept

    def __str__(self) -> str:
        """The result in a few lines of text."""
        if self.landed is None or self.read is None:
            return f"Refused: {self.refusal}"
        how = "is there already as" if self.already_there else "copied to"
        lines = [f"{self.source.name}: {how} {self.landed}: {self.read.table.num_rows} rows."]
        first = self.landed.with_name(self.source.name)
        if first != self.landed and first.exists():
            belongings = [path for path in (first, first.with_name(first.name + MAP_SUFFIX)) if path.exists()]
            lines += [
                f"  Another {first.name} is there and stays: where both have a row, the newer counts.",
                f"  If this one corrects it, delete {' and '.join(map(str, belongings))}.",
            ]
        left_out, ignored, named = self.read.left_out, self.read.ignored, self.read.named
        lines += [f"  {left_out} more rows are left out by the map."] if left_out else []
        lines += [f"  Not used: {', '.join(ignored)}."] if ignored else []
        lines += _issue_lines("row", self.rejected, "will be rejected", named)
        return "\n".join([*lines, *_issue_lines("cell", self.warnings, "change", named)])


@dataclass(frozen=True)
class ImportReport:
    """Result of an import; `str()` gives it as text for the terminal."""

    files: tuple[ImportedFile, ...]  # in the given order
    stops_over: tuple[str, ...]  # a sentence for each month of the folder whose rejected share stops a run

    @property
    def refused(self) -> tuple[ImportedFile, ...]:
        """The files that were not copied."""
        return tuple(file for file in self.files if file.landed is None)

    def __str__(self) -> str:
        """The result of each file in a few lines."""
        stops = [f"A run will stop over {sentence}" for sentence in self.stops_over]
        return "\n".join([*map(str, self.files), *stops])


def import_files(
    files: Sequence[Path],
    columns_map: Path | None,
    landing_folder: Path,
    limits: ValidationConfig,
    ledger: Path,
    now: datetime | None = None,
) -> ImportReport:
    """Check files of months together with those in the landing folder, and copy them there unchanged.

    Args:
        columns_map: the map for all of them; None to use the one beside each file, if there is one.
        landing_folder: created if it doesn't exist.
        ledger: the file of first-seen times, which is only read.
        now: determines which month is over, UTC; the present if None.

    Raises:
        ColumnMapError: `columns_map` can't be used at all.
        StorageError: writing failed, or the ledger can't be read; no incomplete file stays in the folder.
    """
    if columns_map is not None:
        read_column_map(columns_map)
    present, seen = naive_utc(now or datetime.now(UTC)), read_ledger(ledger)
    there, _ = read_sources(landing_sources(landing_folder))
    report: list[ImportedFile] = []
    for file in files:
        map_there = map_beside(landing_folder / file.name, landing_folder)
        map_path = columns_map or map_beside(file, file.parent) or map_there
        try:
            if is_temporary(Path(file.name)):
                what = f"{file.name}: its name marks it as not complete, and no run would read it."
                raise UnreadableFileError(what, "Rename it once it is complete.")
            rows = read_source(Source(file.name, file, map_path))
        except InputError as error:
            report.append(ImportedFile(file, None, refusal=str(error)))
            continue
        landed, already_there = _land(file, map_path, landing_folder)
        name = landed.relative_to(landing_folder).as_posix()
        others = [source for source in there if source.name != name]
        checked = _checked(rows, others, limits, present)
        issues = (_own_issues(found, rows.name) for found in (checked.rejected, checked.warnings))
        report.append(ImportedFile(file, landed, already_there, "", rows, *issues))
        there = [*others, read_source(Source(name, landed, map_beside(landed, landing_folder)))]
    months, _ = combined(there, (), seen, present)
    together = validate_months(months.frame, limits, present.date())
    return ImportReport(tuple(report), _stops_over(together, limits.largest_rejected_share))


def _stops_over(months: ValidatedMonths, limit: float) -> tuple[str, ...]:
    rejected, stops = months.rejected, []
    shares = rejected_share_by_month(months.frame, rejected)
    months_over = shares["month_year"][shares["share"] > limit]
    for month, sentence in zip(months_over, over_limit(shares, limit), strict=True):
        names = sorted(set(rejected["file"][rejected["month_year"].isin([month])]))
        stops.append(f"{sentence} They stand in {', '.join(names)}.")
    return tuple(stops)


def _own_issues(issues: pd.DataFrame, name: str) -> pd.DataFrame:
    return issues[issues["file"] == _BEING_IMPORTED].assign(file=name).reset_index(drop=True)


def _checked(
    rows: SourceRows, others: Sequence[SourceRows], limits: ValidationConfig, now: datetime
) -> ValidatedMonths:
    """Validate the file as the latest one, together with the others of the folder."""
    latest = replace(rows, file_hash="the file being imported")
    seen = Ledger().with_files([(source.name, source.file_hash) for source in others], now)
    seen = seen.with_files([(latest.name, latest.file_hash)], _ANOTHER_DAY)
    raw, _ = combined([*others, latest], (), seen, now)
    last = raw.frame["file_order"].max()
    # Only its own rows are reported, and a file in the folder may have the same name.
    raw.frame["file"] = raw.frame["file"].where(raw.frame["file_order"] != last, _BEING_IMPORTED)
    return validate_months(raw.frame, limits, now.date())


def _issue_lines(unit: str, issues: pd.DataFrame | None, fate: str, named: Mapping[str, str]) -> list[str]:
    """A heading with the number of issues, and a line for each of the first ones."""
    if issues is None or issues.empty:
        return []
    count = issues["line"].nunique() if unit == "row" else len(issues)
    lines = [f"  {count} {unit}{'s' if count > 1 else ''} {fate}:"]
    for row in issues.head(_SHOWN).itertuples(index=False):
        value = "" if row.value is None else f" {row.value!r}"
        ours = str(row.column)
        column = f"{ours} ({named[ours]})" if ours in named else ours
        lines.append(f"    line {row.line}, {column}{value}: {row.reason}")
    return [*lines, f"    ... and {len(issues) - _SHOWN} more"] if len(issues) > _SHOWN else lines


def _land(file: Path, map_path: Path | None, folder: Path) -> tuple[Path, bool]:
    """Copy a file and its map; returns its path in the folder, and True if it was there before."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbered = (f"{file.stem}-{number}{file.suffix}" for number in count(2))
        for target in (folder / name for name in chain([file.name], numbered)):
            map_target = target.with_name(target.name + MAP_SUFFIX)
            if target.exists():
                if _same(file, target) and _same_map(map_path, map_beside(target, folder)):
                    return target, True
            elif not map_target.exists() or (map_path is not None and _same(map_path, map_target)):
                # The map is copied first, so that the file is never read without it.
                if map_path is not None and not _same_map(map_path, map_beside(target, folder)):
                    _copy(map_path, map_target)
                _copy(file, target)
                return target, False
    except OSError as error:
        remedy = "Free disk space." if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Fix its permissions."
        what = f"{folder}: {file.name} can't be copied there ({error.strerror})."
        raise StorageError(what, remedy) from error
    raise AssertionError(file)


def _same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def _same_map(one: Path | None, other: Path | None) -> bool:
    return one == other if one is None or other is None else _same(one, other)


def _copy(source: Path, target: Path) -> None:
    """Copy under a hidden name that no reader uses, then rename; an existing file is never replaced."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with source.open("rb") as reading, unfinished.open("xb") as writing:
            shutil.copyfileobj(reading, writing)
            writing.flush()
            os.fsync(writing.fileno())
        if target.exists():
            raise FileExistsError(errno.EEXIST, "appeared meanwhile", str(target))
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
