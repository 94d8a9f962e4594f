"""Record of live accuracy and its update by a run: forecasts of recent base months, and error sums of all.

Each run starts from the record of the run before, so pruning old forecasts or clearing the prediction log
loses no accuracy figures. Records that were deleted for a studio are removed here too. Errors and interval
coverage are summed per cell (`CELL`); ratios and their intervals are computed in `tables`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from studio_pipeline.monitoring.accuracy.champion_challenger import DESCRIPTIONS as ROLE_COLUMNS
from studio_pipeline.monitoring.accuracy.champion_challenger import role_differences
from studio_pipeline.monitoring.accuracy.error_decomposition import MISS_TYPES, MissSplitter, split_all
from studio_pipeline.monitoring.accuracy.forecast_rows import (
    KEY,
    TYPES,
    ForecastLog,
    Reading,
    bound_names,
    last_of_each,
    levels_of,
    published_forecasts,
    together,
)
from studio_pipeline.monitoring.accuracy.logged_forecasts import asked_forecasts, saved_scenarios
from studio_pipeline.monitoring.accuracy.scored_forecasts import (
    PROMISE_TYPES,
    Arrivals,
    arrivals_of,
    judged,
    promises_of,
)
from studio_pipeline.monitoring.thresholds import AccuracyConfig
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.frames import empty_table, stacked_tables
from studio_pipeline.publishing.releases import Release

CELL: tuple[str, ...] = (
    "source", "kind", "role", "model_version", "base_month", "made_month", "horizon", "month_year",
)  # fmt: skip
SUMS: dict[str, str] = {
    "n": "Forecasts whose month has arrived.",
    "actual": "Sum of what happened, currency.",
    "error": "Sum of forecast less what happened, currency.",
    "absolute_error": "Sum of the absolute errors, currency.",
    "promised_error": "Sum of the absolute errors that the backtest promised, currency.",
}
DESCRIPTIONS: dict[str, str] = {
    "source": "published: made with a release for every studio; asked: an answer of the service.",
    "kind": "free: all levers free; carried_out: levers were given, and the months then had them.",
    "role": "champion, or challenger: what a second model answered.",
    "model_version": "The model that made the forecasts.",
    "base_month": "The last known month that they rest on: their vintage.",
    "made_month": "The month in which they were made.",
    "horizon": "Months ahead, 1 to 12.",
    "month_year": "The month that was forecast.",
    "level": "Of the intervals: the share of months that they promise to hold, 0..1.",
    "inside": "Months inside their interval.",
    **SUMS,
    "wape": "Sum of absolute errors over sum of what happened, a share.",
    "promised_wape": "The same in the model's backtest.",
    "bias": "Sum of forecasts less what happened, over what happened: above 0 is too much.",
    "mase": "Mean absolute error over what a month moved by on average before; below 1 beats persistence.",
    "coverage": "Share of months inside their interval.",
    "low": "Lower end of the 95 % interval, months being the independent draws.",
    "high": "Upper end of that interval.",
    "months": "Calendar months that the figure rests on.",
}
_CELL_TYPES = dict.fromkeys(CELL, "datetime64[ns]") | {"horizon": "int64"}
_CELL_TYPES |= dict.fromkeys(("source", "kind", "role", "model_version"), "object")
_ERROR_TYPES = _CELL_TYPES | dict.fromkeys((*SUMS, "naive_error"), "float64")
_COVERAGE_TYPES = _CELL_TYPES | dict.fromkeys(("level", "n", "inside"), "float64")


def error_cells(found: pd.DataFrame, promises: pd.DataFrame) -> pd.DataFrame:
    """Sum errors of `judged` forecasts per cell; columns `CELL`, those of `SUMS`, and `naive_error`."""
    if found.empty:
        return empty_table(_ERROR_TYPES)
    error = (found["revenue"] - found["actual"]).to_numpy()
    rows = _keys(found).assign(
        n=1.0,
        actual=found["actual"].abs().to_numpy(),
        error=error,
        absolute_error=np.abs(error),
        naive_error=found["expected_by_naive"].to_numpy(),
    )
    cells = rows.groupby(list(CELL), observed=True, as_index=False).sum(min_count=1)
    wape = promises.set_index(["model_version", "horizon"])["wape"].to_dict()
    promised = [wape.get(key, np.nan) for key in zip(cells["model_version"], cells["horizon"], strict=True)]
    return cells.assign(promised_error=np.array(promised, np.float64) * cells["actual"])


def coverage_cells(found: pd.DataFrame) -> pd.DataFrame:
    """Count intervals and months inside them per cell and level; columns `CELL`, `level`, `n`, `inside`."""
    tables = []
    for level in levels_of(found):
        lower, upper = (found[name].to_numpy(np.float64) for name in bound_names(level))
        bounded = np.isfinite(lower) & np.isfinite(upper)
        actual = found["actual"].to_numpy(np.float64)
        inside = (lower <= actual) & (actual <= upper)
        rows = _keys(found).assign(level=level, n=1.0, inside=inside.astype(np.float64))[bounded]
        tables.append(rows.groupby([*CELL, "level"], observed=True, as_index=False).sum())
    return stacked_tables(tables, _COVERAGE_TYPES)


def carried_forward(new: pd.DataFrame, kept: pd.DataFrame, first_base: pd.Timestamp) -> pd.DataFrame:
    """New cells from `first_base` on, and the kept cells of earlier base months, whose rows are gone."""
    old = kept[kept["base_month"] < first_base]
    new = new[new["base_month"] >= first_base]
    filled = [table for table in (old, new) if len(table)] or [new]
    keys = [*CELL, "level"] if "level" in new else list(CELL)
    return pd.concat(filled).sort_values(keys, ignore_index=True)


def _keys(found: pd.DataFrame) -> pd.DataFrame:
    made = found["made_at"].to_numpy().astype("datetime64[M]").astype("datetime64[ns]")
    return pd.DataFrame(found.assign(made_month=made)[list(CELL)])


_TABLES = ("forecasts", "errors", "coverage", "promises", "roles", "misses")
_STATE = "state.json"


@dataclass(frozen=True)
class AccuracyRecord:
    """Live accuracy, as of one run."""

    forecasts: pd.DataFrame = field(default_factory=lambda: empty_table(TYPES))  # see `forecast_rows`
    # errors, coverage: from `error_cells` and `coverage_cells`.
    errors: pd.DataFrame = field(default_factory=lambda: empty_table(_ERROR_TYPES))
    coverage: pd.DataFrame = field(default_factory=lambda: empty_table(_COVERAGE_TYPES))
    promises: pd.DataFrame = field(default_factory=lambda: empty_table(PROMISE_TYPES))  # of `promises_of`
    # roles, misses: from `role_differences` and `split_all`.
    roles: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ROLE_COLUMNS)))
    misses: pd.DataFrame = field(default_factory=lambda: empty_table(MISS_TYPES))
    versions: tuple[str, ...] = ()  # names of the published forecasts that were read
    read_until: datetime | None = None  # when the last logged answer that was read was made, UTC without zone

    def write(self, folder: Path) -> None:
        """Write a Parquet file per table, and the rest as JSON."""
        for name in _TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        until = None if self.read_until is None else self.read_until.isoformat()
        state = {"versions": list(self.versions), "read_until": until}
        (folder / _STATE).write_text(json.dumps(state), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> AccuracyRecord:
        """Read what `write` wrote."""
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        state = json.loads((folder / _STATE).read_text("utf-8"))
        until = None if state["read_until"] is None else datetime.fromisoformat(state["read_until"])
        return cls(**tables, versions=tuple(state["versions"]), read_until=until)


def without_deleted(record: AccuracyRecord, deleted: Mapping[str, datetime]) -> AccuracyRecord:
    """Remove a studio's answers made before its records were deleted (UTC without zone), and its misses."""
    if not deleted:
        return record
    rows = record.forecasts
    moments = rows["studio_id"].map(pd.Series(deleted, dtype="datetime64[ns]"))
    gone = (rows["source"] == "asked") & (rows["made_at"] <= moments)
    misses = record.misses[~record.misses["studio_id"].isin(list(deleted))]
    return replace(record, forecasts=rows[~gone.to_numpy()], misses=misses)


OVERLAP = timedelta(days=60)
"""Answers are read again from this long before the last one: a spool may deliver some to the log late."""


@dataclass(frozen=True)
class Sources:
    """Inputs of an update."""

    log: ForecastLog
    forecasts_folder: Path  # of the versions of `studio_forecasts`
    releases: Sequence[Release]  # all that have been current, in order
    make_splitter: Callable[[StudioPanel], Callable[[str], MissSplitter]]  # panel to splitters by version


@dataclass(frozen=True)
class Update:
    """Result of an update: `n_answers` were read, `n_late` left out, as their month was known by then."""

    record: AccuracyRecord
    warnings: tuple[str, ...]
    n_answers: int
    n_late: int


def updated(record: AccuracyRecord, months: pd.DataFrame, sources: Sources, rules: AccuracyConfig) -> Update:
    """Update a record with the months and forecasts of a run; NoUsableDataError if there are no months."""
    arrivals, reading = arrivals_of(months), Reading()
    record = without_deleted(record, sources.log.deleted(reading))
    since = None if record.read_until is None else record.read_until - OVERLAP
    asked = asked_forecasts(sources.log.answers(reading, since), arrivals)
    published = published_forecasts(sources.forecasts_folder, sources.releases, record.versions)
    promises = promises_of(sources.releases, record.promises)
    new = published.rows[arrivals.foreseen(published.rows)]
    rows = last_of_each(together([record.forecasts, asked.rows, new]))
    first_base = months["month_year"].max() - pd.DateOffset(months=rules.kept_base_months)
    rows = rows[rows["base_month"] >= first_base].reset_index(drop=True)
    found = judged(rows, arrivals, rules)
    scenarios, unreadable = saved_scenarios(sources.log.saved(reading, rules.most_scenarios))
    known = record.misses
    still = sources.log.existing(reading, sorted(set(known["scenario_id"])))
    if not reading.problem:
        known = known[known["scenario_id"].isin(still)]
    updated_record = replace(
        record,
        forecasts=_kept(rows, found, arrivals, rules),
        errors=carried_forward(error_cells(found, promises), record.errors, first_base),
        coverage=carried_forward(coverage_cells(found), record.coverage, first_base),
        promises=promises,
        roles=role_differences(found),
        misses=split_all(scenarios, sources.make_splitter(arrivals.panel), arrivals.panel, known),
        versions=(*record.versions, *published.versions),
        # If reading stopped early, the next run starts where this one did.
        read_until=record.read_until if reading.problem else asked.latest or record.read_until,
    )
    warnings = _warnings(reading.problem, asked.n_unreadable, len(published.unreadable), unreadable)
    return Update(updated_record, warnings, asked.n_answers, asked.n_late)


def _warnings(problem: str, answers: int, versions: int, scenarios: int) -> tuple[str, ...]:
    """The problem of reading the log, if any, and a sentence on each kind of unreadable records."""
    counted = (
        (answers, "logged answers have no readable forecast and are left out."),
        (versions, "versions of studio_forecasts can't be read and are left out."),
        (scenarios, "saved scenarios can't be read and are left out."),
    )
    return (*filter(None, [problem]), *(f"{count} {text}" for count, text in counted if count))


def _kept(rows: pd.DataFrame, found: pd.DataFrame, arrivals: Arrivals, rules: AccuracyConfig) -> pd.DataFrame:
    """Rows to keep: all with free levers; with given levers the latest that are open or were carried out."""
    free = rows["levers"] == ""
    asked = rows[~free]
    open_rows = asked[arrivals.places(asked)[0] < 0]
    carried = found.loc[found["kind"] == "carried_out", rows.columns]
    under_levers = together([open_rows, carried]).sort_values(["made_at", *KEY[2:]], kind="stable")
    return last_of_each(together([rows[free], under_levers.tail(rules.most_lever_questions)]))
