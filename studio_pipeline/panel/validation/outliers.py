"""Outliers against a studio's own months: wrong units, shifted decimals, cents instead of dollars.

Real months are volatile: businesses close and reopen, grow and shrink, and some are strongly seasonal. So a
value counts as wrong only where no comparison with the studio's own months explains it: not the months
before it, not those after it, not the same calendar month of other years, not all months together. Money has
to stand out per member, too (a growing business has more of both), and members per unit of money. A value
that is far too *low* is wrong only where the studio was as active as usual: a closed studio earns nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, ratio
from studio_pipeline.panel.validation.limits import ValidationConfig

_NEIGHBOURS = 6
_RECORD = 3.0
_USUAL_ACTIVITY = 1 / 3
CHECKED: dict[str, str | None] = {
    "total_revenue": "total_members",
    "total_members": "total_revenue",
    "avg_ticket_price": None,
    "total_classes_held": None,
}
"""Checked column to the companion column that it is also compared with, where that is known."""


@dataclass(frozen=True)
class _Months:
    """Months of one studio: month number, file order, value, value per unit of its companion, activity."""

    month: IntArray
    file: IntArray
    value: FloatArray
    per_unit: FloatArray
    activity: FloatArray

    def take(self, rows: IntArray | BoolArray) -> _Months:
        measures = (array[rows] for array in (self.value, self.per_unit, self.activity))
        return _Months(self.month[rows], self.file[rows], *measures)


def out_of_proportion(
    frame: pd.DataFrame, file_order: IntArray, column: str, limits: ValidationConfig
) -> BoolArray:
    """(N,) True where a value of `column` is out of proportion to the same studio's other months.

    Months of earlier files are the reference for later ones, so that a whole file in wrong units is found;
    where there are too few of them, the other months of the same file are used. Money times 100 is the common
    mistake, so a file that lowers all months together counts as a correction, and one that raises them does
    not. The frame has valid cells, and at most one row per studio, month and file.
    """
    value = frame[column].to_numpy()
    value = np.where(value > 0, value, np.nan)
    companion = CHECKED[column]
    per_unit = np.full(len(frame), np.nan) if companion is None else ratio(value, frame[companion].to_numpy())
    month = frame["month_year"].to_numpy().astype("datetime64[M]").astype(np.int64)
    months = _Months(month, file_order, value, per_unit, _activity(frame, column))
    found: BoolArray = np.zeros(len(frame), dtype=bool)
    codes = pd.factorize(frame["studio_id"])[0]
    # A studio whose values do not span more than the factor can't have outliers.
    wide = _spans_over(codes, value, limits) | _spans_over(codes, per_unit, limits)
    for rows in _by_studio(codes, np.flatnonzero(wide)):
        found[rows] = _of_one_studio(months.take(rows), limits)
    return found


def _spans_over(codes: IntArray, values: FloatArray, limits: ValidationConfig) -> BoolArray:
    """(N,) True in studios whose largest value is more than the factor times their smallest."""
    by_studio = pd.Series(values).groupby(codes)
    span = by_studio.transform("max") / by_studio.transform("min")
    return np.asarray(span > limits.out_of_proportion_factor)


def _by_studio(codes: IntArray, rows: IntArray) -> list[IntArray]:
    rows = rows[np.argsort(codes[rows], kind="stable")]
    return np.split(rows, np.flatnonzero(np.diff(codes[rows])) + 1) if len(rows) else []


def _activity(frame: pd.DataFrame, column: str) -> FloatArray:
    """(N,) measure that separates open months from closed ones: attendance, else classes; NaN if unknown."""
    activity = frame["total_class_attendance"].fillna(frame["total_classes_held"]).to_numpy()
    return activity if column in ("total_revenue", "avg_ticket_price") else np.full(len(frame), np.nan)


def _of_one_studio(months: _Months, limits: ValidationConfig) -> BoolArray:
    """(M,) True where a value is out of proportion; files are processed in their order."""
    found: BoolArray = np.zeros(len(months.month), dtype=bool)
    accepted = np.array([], dtype=np.int64)
    for file in np.unique(months.file):
        rows = np.flatnonzero(months.file == file)
        corrected = np.isin(months.month[accepted], months.month[rows])
        reference = _reference(months, accepted, rows, limits)
        beside = _reference(months, accepted[~corrected], rows, limits)
        unusual = _unusual(months.value[rows], reference.value)
        unusual |= _unusual(months.per_unit[rows], reference.per_unit)
        for row in rows[unusual]:
            found[row] = _stands_out(months, row, reference, limits) and (
                months.value[row] > np.nanmedian(reference.value) or _stands_out(months, row, beside, limits)
            )
        replaced = np.isin(months.month[accepted], months.month[rows[~found[rows]]])
        accepted = np.concatenate([accepted[~replaced], rows[~found[rows]]])
    return found


def _reference(months: _Months, accepted: IntArray, rows: IntArray, limits: ValidationConfig) -> _Months:
    """The accepted months to compare a file's rows with, and where they are few the file's own as well."""
    usable = accepted[np.isfinite(months.value[accepted])]
    others = usable if len(usable) >= limits.months_to_compare_with else np.union1d(accepted, rows)
    return months.take(others)


def _unusual(values: FloatArray, others: FloatArray) -> BoolArray:
    """(M,) True for values below a third or above three times the median of the others."""
    middle = np.nanmedian(others) if np.isfinite(others).any() else np.nan
    return np.asarray((values > _RECORD * middle) | (values < middle / _RECORD))


def _stands_out(months: _Months, row: int, others: _Months, limits: ValidationConfig) -> bool:
    others = others.take((others.month != months.month[row]) & np.isfinite(others.value))
    if len(others.month) < limits.months_to_compare_with or not np.isfinite(months.value[row]):
        return False
    others = others.take(np.argsort(others.month))
    month, value, per_unit = int(months.month[row]), float(months.value[row]), float(months.per_unit[row])
    measured = np.isfinite(others.per_unit)
    if np.isfinite(per_unit) and measured.sum() >= limits.months_to_compare_with:
        measure, usual = per_unit, _usual_per_unit(others.take(measured), month)
    else:
        measure, usual = value, _usual_values(others, month)
    factor = limits.out_of_proportion_factor
    place = int(np.searchsorted(others.month, month))
    near = others.value[max(place - _NEIGHBOURS, 0) : place + _NEIGHBOURS]
    if value > _RECORD * min(_quantile(near, 0.9), _quantile(others.value, 0.75)):
        return bool(measure > factor * usual.max())
    low = value * _RECORD < max(-_quantile(-near, 0.9), -_quantile(-others.value, 0.75))
    activity = others.activity[np.isfinite(others.activity)]
    active = bool(len(activity)) and float(months.activity[row]) > _USUAL_ACTIVITY * _middle(activity)
    return bool(low and active and measure * factor < usual.min())


def _quantile(values: FloatArray, share: float) -> float:
    """The largest value that at most `share` of the others lie below.

    Replaces `numpy.quantile`, which takes 20 times as long on arrays of this size.
    """
    return float(np.sort(values)[int(share * (len(values) - 1))])


def _middle(values: FloatArray) -> float:
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _usual_values(others: _Months, month: int) -> FloatArray:
    """Medians of the months before, the months after, the same calendar month, and all months."""
    place = int(np.searchsorted(others.month, month))
    groups = (
        others.value[max(place - _NEIGHBOURS, 0) : place],
        others.value[place : place + _NEIGHBOURS],
        others.value[(others.month - month) % 12 == 0],
        others.value,
    )
    return np.array([_middle(group) for group in groups if len(group)])


def _usual_per_unit(others: _Months, month: int) -> FloatArray:
    """Quartiles of all months and the median of the same calendar month.

    Revenue per member varies far less than revenue, so neighbouring months with the same error must not
    explain a value; the quartiles allow for months in which the studio was closed.
    """
    quartiles = [-_quantile(-others.per_unit, 0.75), _quantile(others.per_unit, 0.75)]
    same_month = others.per_unit[(others.month - month) % 12 == 0]
    return np.array([*quartiles, _middle(same_month)] if len(same_month) else quartiles)


def over_members_times_ticket(
    frame: pd.DataFrame, file_order: IntArray, limits: ValidationConfig
) -> BoolArray:
    """(N,) True where a studio's revenue in a whole file is out of proportion to members times ticket.

    This finds revenue in wrong units where every month has the same error. A single month is not enough
    evidence (a studio that closes has few members left at the end of a good month), so the median over a
    studio's months in a file decides.
    """
    usual = (frame["total_members"] * frame["avg_ticket_price"]).to_numpy()
    over_usual = ratio(frame["total_revenue"].to_numpy(), usual)
    groups = pd.Series(over_usual).groupby([pd.factorize(frame["studio_id"])[0], file_order])
    enough = groups.transform("count") >= limits.months_to_compare_with
    return np.asarray(enough & (groups.transform("median") > limits.out_of_proportion_factor))


def over_few_months(frame: pd.DataFrame, limits: ValidationConfig) -> BoolArray:
    """(N,) True where a month of a studio with few months has implausible revenue per member.

    Revenue per member must be out of proportion to every other month of the studio, while its members stayed
    about the same and, where that is known, it was not much more active.
    """
    months = frame["month_year"].to_numpy()
    members, activity = frame["total_members"].to_numpy(), _activity(frame, "total_revenue")
    per_member = ratio(frame["total_revenue"].to_numpy(), members)
    per_member[per_member <= 0] = np.nan
    found: BoolArray = np.zeros(len(frame), dtype=bool)
    codes = pd.factorize(frame["studio_id"])[0]
    wide = np.flatnonzero(_spans_over(codes, per_member, limits))
    count = pd.Series(months[wide]).groupby(codes[wide]).transform("nunique").to_numpy()
    few = wide[(count <= limits.months_to_compare_with) & np.isfinite(per_member[wide])]
    for rows in _by_studio(codes, few):
        for row in rows:
            others = rows[months[rows] != months[row]]
            found[row] = bool(
                len(others)
                and per_member[row] > limits.out_of_proportion_factor * per_member[others].max()
                and (np.abs(np.log(members[row] / members[others])) < np.log(_RECORD)).all()
                and not activity[row] > _RECORD * activity[others].max()
            )
    return found
