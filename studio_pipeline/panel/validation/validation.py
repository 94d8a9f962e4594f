"""Validation of raw rows: the steps of `typed_months`, `derivation` and `outliers`, and which rows are kept.

Gaps and rejected shares of the result are computed here for asset checks and the import.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from studio_pipeline.panel.arrays import BoolArray
from studio_pipeline.panel.columns import COLUMNS, KEYS
from studio_pipeline.panel.validation.derivation import (
    check_duplicates,
    complete_split,
    earlier_rows,
    empty_implausible_churn,
    fill_derived,
    latest_rows,
)
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.outliers import (
    CHECKED,
    out_of_proportion,
    over_few_months,
    over_members_times_ticket,
)
from studio_pipeline.panel.validation.typed_months import (
    IN_THE_FUTURE,
    TOO_EARLY,
    Findings,
    check_months,
    check_rates,
    check_sizes,
    typed_months,
)

VALIDATED_COLUMNS: tuple[str, ...] = (*(column.name for column in COLUMNS), "first_seen")


@dataclass(frozen=True)
class ValidatedMonths:
    """Result of validation, with rows = len(frame) + rejected_rows + replaced_rows + held_back_rows."""

    frame: pd.DataFrame  # `VALIDATED_COLUMNS`, sorted by studio and month, unique, derived columns filled in
    rejected: pd.DataFrame  # one row per fault: file, line, studio_id, month_year, column, value, reason
    warnings: pd.DataFrame  # the same, for cells changed, emptied or filled while their row was kept
    rejected_rows: int  # raw rows with at least one fault
    replaced_rows: int  # raw rows replaced by a row of a later file
    held_back_rows: int  # raw rows of the month that is not over yet


def validate_months(raw: pd.DataFrame, limits: ValidationConfig, today: date) -> ValidatedMonths:
    """Validate raw months (`ingest.csv_files.RAW_COLUMNS`, maybe no rows) and convert them to typed columns.

    A row with a fault is rejected, with all its faults listed. Of several valid rows for a studio and month
    the one of the latest file counts; a faulty row that is replaced by a valid one of a later file doesn't
    count as rejected. The current day, UTC, determines which month is not over yet.
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
    months = frame.assign(first_seen=raw["first_seen"].to_numpy().astype("datetime64[ns]"), emptied=emptied)
    months = months[kept].sort_values(list(KEYS))
    empty_implausible_churn(months, warnings)
    months = fill_derived(months, months["emptied"].to_numpy(dtype=bool), limits, warnings)
    return ValidatedMonths(
        frame=months[list(VALIDATED_COLUMNS)].reset_index(drop=True),
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
    limits: ValidationConfig,
    rejected: Findings,
    warnings: Findings,
) -> None:
    rows = np.flatnonzero(among)
    if not len(rows):
        return
    months = frame.take(rows)
    file_order = raw["file_order"].to_numpy(dtype=np.int64)[rows]
    earlier = earlier_rows(months, file_order)
    names = raw["file"].to_numpy(dtype=object)[rows]
    for column in CHECKED:
        wrong = out_of_proportion(months, file_order, column, limits)
        reason = "is out of all proportion to this studio's own months: check its unit"
        rejected.add_at(rows[wrong & (earlier < 0)], column, reason)
        for name in np.unique(names[earlier[wrong & (earlier >= 0)]].astype(str)):
            contradicting = wrong & (earlier >= 0) & (names[earlier] == name)
            remedy = f", or if {name}, which has another value here, is the wrong one, correct or remove it"
            rejected.add_at(rows[contradicting], column, reason + remedy)
    revenue = months["total_revenue"].to_numpy()
    before = np.where(earlier >= 0, revenue[earlier], np.nan)
    high, low = np.maximum(revenue, before), np.minimum(revenue, before)
    corrected = (low > 0) & (high > limits.out_of_proportion_factor * low)
    for name in np.unique(names[earlier[corrected]].astype(str)):
        reason = f"replaces a value of {name} that is out of all proportion to it"
        at = rows[corrected & (names[earlier] == name)]
        warnings.add_at(at, "total_revenue", f"{reason}: remove the file that is wrong")
    wrong = over_few_months(months, limits) & ~rejected.marked_in("total_revenue")[rows]
    reason = "is out of all proportion to this studio's members: check its unit"
    rejected.add_at(rows[wrong], "total_revenue", reason)
    wrong = over_members_times_ticket(months, file_order, limits)
    reason = "is out of all proportion to members x ticket: check its unit"
    rejected.add_at(rows[wrong], "total_revenue", reason)


def _superseded(raw: pd.DataFrame, frame: pd.DataFrame, kept: BoolArray, faulty: BoolArray) -> BoolArray:
    """(N,) True for faulty rows whose studio and month have a valid row in a later file."""
    orders = frame.loc[kept, list(KEYS)].assign(later=raw["file_order"].to_numpy(dtype=np.int64)[kept])
    rows = np.flatnonzero(faulty)
    later = frame.loc[rows, list(KEYS)].merge(orders, on=list(KEYS), how="left")["later"].to_numpy()
    superseded: BoolArray = np.zeros(len(raw), dtype=bool)
    superseded[rows] = later > raw["file_order"].to_numpy(dtype=np.int64)[rows]
    return superseded


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


def rejected_share_by_month(validated: pd.DataFrame, rejected: pd.DataFrame) -> pd.DataFrame:
    """The share of rejected rows by month; `ValidationConfig.largest_rejected_share` is the limit.

    Returns:
        month_year, rows, rejected, share (0..1), by month. Rows of months in the future or before the
        earliest year are left out. Rows without a readable month are counted in a separate row (NaT), whose
        `rows` are all rows, since such a row may belong to any month. To the `rows` of months after the last
        valid one those of that month are added: a single stray row then has a small share, while a newest
        month that was rejected as a whole still shows.
    """
    counting = rejected
    if len(rejected):
        reasons, place = rejected["reason"].astype(str), [rejected["file"], rejected["line"]]
        nowhere = reasons.str.startswith(IN_THE_FUTURE) | reasons.str.startswith(TOO_EARLY)
        nowhere &= rejected["column"].eq("month_year")
        counting = rejected[~nowhere.groupby(place).transform("any").astype(bool)]
    faulty = counting.drop_duplicates(["file", "line"])["month_year"]
    by_month = {"valid": validated["month_year"].value_counts(), "rejected": faulty.value_counts()}
    counts = pd.DataFrame(by_month).fillna(0).astype("int64").sort_index()
    table = pd.DataFrame({"month_year": counts.index.astype("datetime64[ns]")})
    table["rows"] = counts.sum(axis=1).to_numpy(dtype="int64")
    table["rejected"] = counts["rejected"].to_numpy(dtype="int64")
    last_valid = validated["month_year"].max()
    beyond = (table["month_year"] > last_valid).to_numpy()
    table.loc[beyond, "rows"] += int((validated["month_year"] == last_valid).sum())
    if without_month := int(faulty.isna().sum()):
        unknown = (pd.NaT, len(validated) + len(faulty), without_month)
        row = pd.DataFrame([unknown], columns=list(table)).astype(table.dtypes)
        table = pd.concat([table, row], ignore_index=True)
    return table.assign(share=table["rejected"] / table["rows"].clip(lower=1))


def over_limit(shares: pd.DataFrame, limit: float) -> list[str]:
    """A sentence for each month of `rejected_share_by_month` over a share, 0..1."""
    over = shares[shares["share"] > limit]
    months = over["month_year"].dt.strftime("%Y-%m").fillna("no readable month")
    return [
        f"{month}: {row.rejected} of {row.rows} rows were rejected ({row.share:.0%}, at most {limit:.0%})."
        for month, row in zip(months, over.itertuples(), strict=True)
    ]
