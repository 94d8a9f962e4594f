"""Derived columns of validated months, and rows that occur more than once, in one file or in several.

Ticket, retention, attendance rate, seats per class and the split of revenue are derived where they are
missing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, ratio
from studio_pipeline.panel.columns import KEYS, REVENUE_PARTS
from studio_pipeline.panel.ingest.column_maps import OUR_COLUMNS
from studio_pipeline.panel.ingest.parsing import arrow_text
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.typed_months import Findings

_CENT = 0.01
_ROUNDING = 1e-9


def complete_split(
    frame: pd.DataFrame, limits: ValidationConfig, rejected: Findings, warnings: Findings
) -> None:
    """Complete a partial split of revenue in place, so that its parts add up to `total_revenue`.

    The remainder of the total after the given parts becomes `other_revenue`; where `membership_revenue`
    itself is missing, it becomes that, as memberships are a studio's main source of revenue. A row without
    any part stays without a split. Parts that exceed the total are a fault; a remainder of a row that gave
    all four parts is a warning.
    """
    parts = frame[list(REVENUE_PARTS)].to_numpy()
    total, other = frame["total_revenue"].to_numpy(), frame["other_revenue"].to_numpy()
    given = np.isfinite(parts)
    split = given.any(1) | np.isfinite(other)
    remainder = np.where(split, total - np.nansum(parts, axis=1) - np.nan_to_num(other), np.nan)
    # Up to one cent a part is rounding, even where that exceeds the tolerance.
    tolerance = np.maximum(limits.revenue_split_tolerance * total, len(REVENUE_PARTS) * _CENT)
    share = f"{limits.revenue_split_tolerance:.0%}"
    reason = f"its parts add up to more than it, by over {share}"
    rejected.add(remainder < -tolerance, "total_revenue", reason)
    complete, has_membership = given.all(1), given[:, 0]
    over = remainder > tolerance
    reason = f"the parts leave over {share} of total_revenue: the remainder was put here"
    warnings.add(over & complete, "other_revenue", reason)
    # A remainder within the tolerance is rounding and stays out of the parts, but for what a split that lacks
    # parts other than the membership leaves.
    left = np.where(over, remainder, 0.0)
    kept = np.nan_to_num(other)
    filled = np.where(has_membership, kept + np.where(complete, left, np.maximum(remainder, 0.0)), kept)
    known = np.isfinite(remainder)
    frame["other_revenue"] = np.where(known, filled, other)
    membership = frame["membership_revenue"].to_numpy()
    frame["membership_revenue"] = np.where(known & ~has_membership, left, membership)


def empty_implausible_churn(frame: pd.DataFrame, warnings: Findings) -> None:
    """Empty `churned_members` where it exceeds the members of the month before plus the new ones.

    The frame holds valid rows, sorted by studio and month, unique; its index gives their rows in `warnings`.
    """
    before = members_of_month_before(frame)
    could_leave = before + frame["new_members"].fillna(0.0).to_numpy()
    churned = frame["churned_members"].to_numpy()
    over = churned > could_leave * (1 + _ROUNDING) + _ROUNDING
    and_new = "members of the month before and the month's new ones"
    reasons = [f"emptied: more than the {members:g} {and_new}" for members in before[over]]
    warnings.add_each(frame.index.to_numpy()[over], "churned_members", reasons)
    frame["churned_members"] = np.where(over, np.nan, churned)


def fill_derived(
    frame: pd.DataFrame, emptied_rates: BoolArray, limits: ValidationConfig, warnings: Findings
) -> pd.DataFrame:
    """The frame with missing derived columns filled in.

    Args:
        frame: valid rows, sorted by studio and month, unique; the index gives their rows in `warnings`.
        emptied_rates: (N,) rows whose attendance rate was emptied, and so is not derived again.
        warnings: receives derived attendance rates that are far above 1, and so stay empty.
    """
    members = frame["total_members"].to_numpy()
    sold = frame["membership_revenue"].fillna(frame["total_revenue"]).to_numpy()
    ticket = np.maximum(ratio(sold, members), 0.0)
    # Where all revenue comes from other parts there is no price of a membership.
    ticket = np.where((sold > 0) | ~(frame["total_revenue"].to_numpy() > 0), ticket, np.nan)
    retention = 1 - ratio(frame["churned_members"].to_numpy(), members_of_month_before(frame))
    retention = np.where(retention >= 0, retention, np.nan)
    capacity = _class_capacity(frame, limits)
    seats = frame["total_classes_held"].to_numpy() * capacity
    attendance = ratio(frame["total_class_attendance"].to_numpy(), seats)
    underived = frame["class_attendance_rate"].isna().to_numpy() & ~emptied_rates
    far = attendance > limits.largest_attendance_rate + _ROUNDING
    reason = f"left empty: attendance over classes x seats is above {limits.largest_attendance_rate:g}"
    warnings.add_at(frame.index.to_numpy()[far & underived], "class_attendance_rate", reason)
    attendance = np.where(far | ~underived, np.nan, attendance)
    rates = frame["class_attendance_rate"].fillna(pd.Series(attendance, index=frame.index))
    return frame.assign(
        avg_ticket_price=frame["avg_ticket_price"].fillna(pd.Series(ticket, index=frame.index)),
        retention_rate=frame["retention_rate"].fillna(pd.Series(retention, index=frame.index)),
        class_capacity=capacity,
        class_attendance_rate=rates.clip(upper=1.0),
    )


def members_of_month_before(frame: pd.DataFrame) -> FloatArray:
    """(N,) members of the same studio one calendar month before; NaN where that month is not there."""
    months = frame["month_year"].to_numpy().astype("datetime64[M]").astype(np.int64)
    studios = frame["studio_id"].to_numpy()
    follows = np.zeros(len(frame), dtype=bool)
    follows[1:] = (studios[1:] == studios[:-1]) & (np.diff(months) == 1)
    return np.where(follows, np.roll(frame["total_members"].to_numpy(), 1), np.nan)


def _class_capacity(frame: pd.DataFrame, limits: ValidationConfig) -> FloatArray:
    """(N,) seats per class: given, or from the row's attendance, the studio's median, or the default."""
    offered = frame["total_classes_held"].to_numpy() * frame["class_attendance_rate"].to_numpy()
    own = frame["class_capacity"].where(frame["class_capacity"] > 0)
    own = own.fillna(pd.Series(ratio(frame["total_class_attendance"].to_numpy(), offered), index=frame.index))
    own = own.where(own > 0)
    usual = own.groupby(frame["studio_id"].to_numpy(), sort=False).transform("median")
    return np.asarray(own.fillna(usual).fillna(limits.default_class_capacity))


def check_duplicates(raw: pd.DataFrame, frame: pd.DataFrame, among: BoolArray, rejected: Findings) -> None:
    """Reject rows of a studio and month that occur more than once in a file.

    Of rows with the same values all but the first are rejected; where the values differ, all of them are, as
    none can be trusted.
    """
    readable = among & frame["studio_id"].notna().to_numpy() & frame["month_year"].notna().to_numpy()
    keys = frame[list(KEYS)].assign(file=raw["file_order"].to_numpy(), line=raw["line"].to_numpy())[readable]
    twice = keys[keys.duplicated([*KEYS, "file"], keep=False)]
    if not len(twice):
        return
    texts = [arrow_text(raw.loc[twice.index, name]) for name in OUR_COLUMNS if name not in KEYS]
    joined = pc.binary_join_element_wise(*(pc.fill_null(text, "") for text in texts), "\x1f")
    content = joined.to_numpy(zero_copy_only=False)
    groups = twice.assign(content=content).groupby([*KEYS, "file"], sort=False)
    first_line, alike = groups["line"].transform("min"), groups["content"].transform("nunique") == 1
    lines = twice["line"].astype(str).groupby([twice[key] for key in (*KEYS, "file")]).transform(", ".join)
    repeats = np.flatnonzero(alike & (twice["line"] != first_line))
    reasons = [f"repeats line {line}, which counts" for line in first_line.to_numpy()[repeats]]
    rejected.add_each(twice.index.to_numpy()[repeats], "month_year", reasons)
    conflicts = np.flatnonzero(~alike)
    differ = "the file has different rows for this month, in lines"
    reasons = [f"{differ} {at}: keep one" for at in lines.to_numpy()[conflicts]]
    rejected.add_each(twice.index.to_numpy()[conflicts], "month_year", reasons)


def latest_rows(raw: pd.DataFrame, frame: pd.DataFrame, valid: BoolArray) -> BoolArray:
    """(N,) True for the valid row of each studio and month that comes from the latest file."""
    orders = frame.loc[valid, list(KEYS)].assign(file_order=raw["file_order"].to_numpy()[valid])
    latest = orders.sort_values("file_order", kind="stable").drop_duplicates(list(KEYS), keep="last")
    kept: BoolArray = np.zeros(len(raw), dtype=bool)
    kept[latest.index] = True
    return kept


def earlier_rows(frame: pd.DataFrame, file_order: IntArray) -> IntArray:
    """(N,) position of the row of the same studio and month in the next earlier file; -1 if there is none.

    The frame has at most one row per studio, month and file; `file_order` is the position of each row's file.
    """
    earlier = np.full(len(frame), -1, dtype=np.int64)
    keys = frame[list(KEYS)].assign(file=file_order, place=np.arange(len(frame)))
    again = keys[keys.duplicated(list(KEYS), keep=False)].sort_values([*KEYS, "file"], kind="stable")
    before = again.groupby(list(KEYS), sort=False)["place"].shift(fill_value=-1)
    earlier[again["place"].to_numpy()] = before.to_numpy()
    return earlier
