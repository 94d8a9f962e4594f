"""Validation: raw rows become validated months, rejected rows, warnings, or wait for their month to end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from studio_pipeline.panel.arrays import BoolArray, IntArray
from studio_pipeline.panel.columns import COLUMNS, KEYS
from studio_pipeline.panel.derivation import complete_split, empty_implausible_churn, fill_derived
from studio_pipeline.panel.duplicates import check_duplicates, earlier_rows, latest_rows
from studio_pipeline.panel.findings import Findings
from studio_pipeline.panel.limits import ValidationLimits
from studio_pipeline.panel.proportion import (
    CHECKED,
    out_of_proportion,
    over_few_months,
    over_members_times_ticket,
)
from studio_pipeline.panel.typed_months import (
    check_months,
    check_rates,
    check_sizes,
    typed_months,
)

VALIDATED_COLUMNS: tuple[str, ...] = (*(column.name for column in COLUMNS), "first_seen")


@dataclass(frozen=True)
class ValidatedMonths:
    """What became of every raw row: rows = len(frame) + rejected_rows + replaced_rows + held_back_rows.

    Attributes:
        frame: `VALIDATED_COLUMNS`, sorted by studio and month, unique, derived columns filled in.
        rejected: one row a fault: file, line, studio_id, month_year, column, value as it stood, reason.
        warnings: the same columns, for cells that were changed, emptied or filled while their row was kept.
        rejected_rows: raw rows with at least one fault.
        replaced_rows: raw rows that a row of a later file replaced.
        held_back_rows: raw rows of the month that is not over yet.
    """

    frame: pd.DataFrame
    rejected: pd.DataFrame
    warnings: pd.DataFrame
    rejected_rows: int
    replaced_rows: int
    held_back_rows: int


def validate_months(raw: pd.DataFrame, limits: ValidationLimits, today: date) -> ValidatedMonths:
    """Check raw months and give them their types.

    A row with a fault is rejected with all its faults, and the others go on. Of several valid rows for a
    studio and month the one of the latest file counts; a faulty row that a valid one of a later file
    replaces is not held against the data.

    Args:
        raw: `landing.RAW_COLUMNS`; it may be empty.
        limits: the thresholds.
        today: the day that decides which month is not over yet, UTC.
    """
    raw = raw.reset_index(drop=True)
    rejected, warnings = Findings(len(raw)), Findings(len(raw))
    frame = typed_months(raw, rejected)
    held_back = check_months(frame, limits, today, rejected)
    check_sizes(frame, limits, rejected)
    emptied = check_rates(frame, limits, rejected, warnings)
    complete_split(frame, limits, rejected, warnings)
    check_duplicates(raw, frame, ~held_back, rejected)
    _check_proportion(raw, frame, ~held_back & ~rejected.marked, limits, rejected, warnings)
    valid = ~held_back & ~rejected.marked
    kept = latest_rows(raw, frame, valid)
    superseded = _superseded(raw, frame, kept, rejected.marked & ~held_back)
    faulty = rejected.marked & ~held_back & ~superseded
    validated = _validated(raw, frame, kept, emptied, limits, warnings)
    return ValidatedMonths(
        frame=validated,
        rejected=rejected.table(raw, frame, faulty),
        warnings=warnings.table(raw, frame, kept),
        rejected_rows=int(faulty.sum()),
        replaced_rows=int(superseded.sum() + valid.sum() - kept.sum()),
        held_back_rows=int(held_back.sum()),
    )


def _check_proportion(
    raw: pd.DataFrame,
    frame: pd.DataFrame,
    among: BoolArray,
    limits: ValidationLimits,
    rejected: Findings,
    warnings: Findings,
) -> None:
    rows = np.flatnonzero(among)
    if not len(rows):
        return
    months = frame.take(rows)
    file_order = raw["file_order"].to_numpy(dtype=np.int64)[rows]
    found: BoolArray = np.zeros(len(raw), dtype=bool)
    earlier = earlier_rows(months, file_order)
    names = raw["file"].to_numpy(dtype=object)[rows]
    for column in CHECKED:
        wrong = out_of_proportion(months, file_order, column, limits)
        found[rows] = wrong & (earlier < 0)
        reason = "is out of all proportion to this studio's own months: check its unit"
        rejected.add(found, column, reason)
        for name in np.unique(names[earlier[wrong & (earlier >= 0)]].astype(str)):
            contradicting = wrong & (earlier >= 0) & (names[earlier] == name)
            remedy = f", or if {name}, which has another value here, is the wrong one, correct or remove it"
            rejected.add_at(rows[contradicting], column, reason + remedy)
    _tell_great_corrections(months, earlier, rows, names, limits, warnings)
    found[rows] = over_few_months(months, limits) & ~rejected.marked_in("total_revenue")[rows]
    rejected.add(found, "total_revenue", "is out of all proportion to this studio's members: check its unit")
    found[rows] = over_members_times_ticket(months, file_order, limits)
    rejected.add(found, "total_revenue", "is out of all proportion to members x ticket: check its unit")


def _tell_great_corrections(
    months: pd.DataFrame,
    earlier: IntArray,
    rows: IntArray,
    names: NDArray[np.object_],
    limits: ValidationLimits,
    warnings: Findings,
) -> None:
    """Warn of revenue that is out of all proportion to what an earlier file says of the same month."""
    revenue = months["total_revenue"].to_numpy()
    before = np.where(earlier >= 0, revenue[earlier], np.nan)
    high, low = np.maximum(revenue, before), np.minimum(revenue, before)
    great = (low > 0) & (high > limits.out_of_proportion_factor * low)
    for name in np.unique(names[earlier[great]].astype(str)):
        reason = (
            f"replaces a value of {name} that is out of all proportion to it: remove the file that is wrong"
        )
        warnings.add_at(rows[great & (names[earlier] == name)], "total_revenue", reason)


def _superseded(raw: pd.DataFrame, frame: pd.DataFrame, kept: BoolArray, faulty: BoolArray) -> BoolArray:
    """(N,) faulty rows whose studio and month have a valid row in a later file."""
    orders = frame.loc[kept, list(KEYS)].assign(later=raw["file_order"].to_numpy(dtype=np.int64)[kept])
    rows = np.flatnonzero(faulty)
    later = frame.loc[rows, list(KEYS)].merge(orders, on=list(KEYS), how="left")["later"].to_numpy()
    superseded: BoolArray = np.zeros(len(raw), dtype=bool)
    superseded[rows] = later > raw["file_order"].to_numpy(dtype=np.int64)[rows]
    return superseded


def _validated(
    raw: pd.DataFrame,
    frame: pd.DataFrame,
    kept: BoolArray,
    emptied: BoolArray,
    limits: ValidationLimits,
    warnings: Findings,
) -> pd.DataFrame:
    months = frame.assign(first_seen=raw["first_seen"].to_numpy().astype("datetime64[ns]"), emptied=emptied)
    months = months[kept].sort_values(list(KEYS))
    empty_implausible_churn(months, warnings)
    months = fill_derived(months, months["emptied"].to_numpy(dtype=bool), limits, warnings)
    return months[list(VALIDATED_COLUMNS)].reset_index(drop=True)


def gaps_in(validated: pd.DataFrame) -> pd.DataFrame:
    """Months a studio lacks between its first and last: studio_id, first_missing, last_missing, months."""
    months = validated["month_year"].to_numpy().astype("datetime64[M]")
    studios = validated["studio_id"].to_numpy()
    step = np.diff(months.astype(np.int64))
    at = np.flatnonzero((studios[1:] == studios[:-1]) & (step > 1))
    return pd.DataFrame(
        {
            "studio_id": studios[at],
            "first_missing": (months[at] + 1).astype("datetime64[ns]"),
            "last_missing": (months[at + 1] - 1).astype("datetime64[ns]"),
            "months": step[at] - 1,
        }
    )
