"""Update of the live accuracy record by one run.

Reads new published and logged forecasts, scores those whose month has arrived, splits the errors of saved
scenarios, and carries the record of the run before forward. Reading, scoring and summing are in the
neighbouring modules; alarms are raised in `watch`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pandas as pd

from studio_pipeline.monitoring.accuracy.champion_challenger import role_differences
from studio_pipeline.monitoring.accuracy.error_decomposition import MissSplitter, split_all
from studio_pipeline.monitoring.accuracy.forecast_rows import (
    KEY,
    ForecastLog,
    PublishedForecasts,
    Reading,
    last_of_each,
    published_forecasts,
    together,
)
from studio_pipeline.monitoring.accuracy.logged_forecasts import (
    AskedForecasts,
    asked_forecasts,
    saved_scenarios,
)
from studio_pipeline.monitoring.accuracy.record import (
    AccuracyRecord,
    carried_forward,
    coverage_cells,
    error_cells,
    without_deleted,
)
from studio_pipeline.monitoring.accuracy.scored_forecasts import Arrivals, arrivals_of, judged, promises_of
from studio_pipeline.monitoring.thresholds import AccuracyConfig
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.releases import Release

OVERLAP = timedelta(days=60)
"""Answers are read again from this long before the last one: a spool may deliver some to the log late."""

MakeSplitter = Callable[[StudioPanel], Callable[[str], MissSplitter]]


@dataclass(frozen=True)
class Sources:
    """Inputs of an update.

    Attributes:
        log: the service's own tables.
        forecasts_folder: folder of the versions of `studio_forecasts`.
        releases: all that have been current, in order.
        make_splitter: maps a panel to a function from model version to splitter.
    """

    log: ForecastLog
    forecasts_folder: Path
    releases: Sequence[Release]
    make_splitter: MakeSplitter


@dataclass(frozen=True)
class Update:
    """Result of an update.

    Attributes:
        record: the new record.
        warnings: a sentence each.
        n_answers: logged answers read.
        n_late: forecasts left out, as their month was known when they were made.
    """

    record: AccuracyRecord
    warnings: tuple[str, ...]
    n_answers: int
    n_late: int


def updated(record: AccuracyRecord, months: pd.DataFrame, sources: Sources, rules: AccuracyConfig) -> Update:
    """Update the record with the months and forecasts of one run.

    Args:
        record: of the run before.
        months: the validated months, with `first_seen`.
        sources: where forecasts and models are read from.
        rules: thresholds.

    Raises:
        NoUsableDataError: there are no months.
    """
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
    misses, unreadable = _misses(record, arrivals, sources, rules, reading)
    updated_record = replace(
        record,
        forecasts=_kept(rows, found, arrivals, rules),
        errors=carried_forward(error_cells(found, promises), record.errors, first_base),
        coverage=carried_forward(coverage_cells(found), record.coverage, first_base),
        promises=promises,
        roles=role_differences(found),
        misses=misses,
        versions=(*record.versions, *published.versions),
        # If reading stopped early, the next run starts where this one did.
        read_until=record.read_until if reading.problem else asked.latest or record.read_until,
    )
    warnings = _warnings(reading, asked, published, unreadable)
    return Update(updated_record, warnings, asked.n_answers, asked.n_late)


def _kept(rows: pd.DataFrame, found: pd.DataFrame, arrivals: Arrivals, rules: AccuracyConfig) -> pd.DataFrame:
    """Rows to keep: all with free levers; with given levers the latest that are open or were carried out."""
    free = rows["levers"] == ""
    asked = rows[~free]
    open_rows = asked[arrivals.places(asked)[0] < 0]
    carried = found.loc[found["kind"] == "carried_out", rows.columns]
    under_levers = together([open_rows, carried]).sort_values(["made_at", *KEY[2:]], kind="stable")
    return last_of_each(together([rows[free], under_levers.tail(rules.most_lever_questions)]))


def _misses(
    record: AccuracyRecord, arrivals: Arrivals, sources: Sources, rules: AccuracyConfig, reading: Reading
) -> tuple[pd.DataFrame, int]:
    scenarios, unreadable = saved_scenarios(sources.log.saved(reading, rules.most_scenarios))
    known = record.misses
    still = sources.log.existing(reading, sorted(set(known["scenario_id"])))
    if not reading.problem:
        known = known[known["scenario_id"].isin(still)]
    panel = arrivals.panel
    return split_all(scenarios, sources.make_splitter(panel), panel, known), unreadable


def _warnings(
    reading: Reading, asked: AskedForecasts, published: PublishedForecasts, unreadable: int
) -> tuple[str, ...]:
    counted = (
        (asked.n_unreadable, "logged answers have no readable forecast and are left out."),
        (len(published.unreadable), "versions of studio_forecasts can't be read and are left out."),
        (unreadable, "saved scenarios can't be read and are left out."),
    )
    messages = [f"{count} {text}" for count, text in counted if count]
    return tuple(([reading.problem] if reading.problem else []) + messages)
