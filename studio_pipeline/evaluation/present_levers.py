"""Where studios stand: their levers of late, and which of them is a typical one."""

from __future__ import annotations

import numpy as np

from studio_pipeline.forecasting.bounds import START_LEVER, Range
from studio_pipeline.panel.arrays import FloatArray, IntArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

RECENT_MONTHS = 3
YEAR_MONTHS = 12


def present_levers(panel: StudioPanel) -> dict[str, FloatArray]:
    """Lever to (S,) its mean over each studio's last three months, and the stock as it stands last.

    NaN where none of these months knows it.
    """
    last = panel.last_months
    return {
        lever: recent_mean(panel.values[column], last, 1 if lever == START_LEVER else RECENT_MONTHS)
        for lever, column in LEVER_COLUMNS.items()
    }


def recent_mean(values: FloatArray, last: IntArray, months: int) -> FloatArray:
    """(S,) mean of what is known of the last months up to each studio's own last column; NaN for none."""
    columns = last[:, None] - np.arange(months)
    recent = np.where(columns >= 0, np.take_along_axis(values, np.maximum(columns, 0), 1), np.nan)
    known = np.isfinite(recent)
    total, count = np.where(known, recent, 0.0).sum(1), known.sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def shown_ranges(panel: StudioPanel, row: int) -> dict[str, Range]:
    """Lever to the smallest and largest value that a studio has shown; one never shown is left out."""
    known = {lever: panel.values[column][row] for lever, column in LEVER_COLUMNS.items()}
    known = {lever: values[np.isfinite(values)] for lever, values in known.items()}
    return {lever: (float(v.min()), float(v.max())) for lever, v in known.items() if v.size}


def typical_studio(panel: StudioPanel) -> int:
    """Row of the studio nearest to the median in revenue over a year and in members, on log scales.

    It is one that is open in the panel's last month and, where any of those tells its members, tells them.
    What studios are called and in which order they stand plays no part: of several equally near ones it is
    that with the lower revenue, then with fewer members.
    """
    revenue = _positive(recent_mean(panel.values["total_revenue"], panel.last_months, YEAR_MONTHS))
    members = _positive(recent_mean(panel.values["total_members"], panel.last_months, 1))
    among = panel.last_months == panel.last_months.max()
    for known in (np.isfinite(revenue), np.isfinite(members)):
        among = among & known if (among & known).any() else among
    distance = _distance(revenue, among) + _distance(members, among)
    return int(np.lexsort((members, revenue, np.where(among, distance, np.inf)))[0])


def _positive(values: FloatArray) -> FloatArray:
    return np.log(np.where(values > 0, values, np.nan))


def _distance(values: FloatArray, among: np.ndarray) -> FloatArray:
    """(S,) distance from the median of the chosen ones; 0 where nothing is known."""
    known = values[among & np.isfinite(values)]
    return np.nan_to_num(np.abs(values - np.median(known))) if known.size else np.zeros(len(values))
