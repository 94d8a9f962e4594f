"""Closed studios, whose forecasts are 0: those without revenue and members for `LEAST_MONTHS` in a row.

A studio that was idle in the same months a year before and reopened is seasonal, and counts as open.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, IntArray, StudioPanel

LEAST_MONTHS = 3
_YEAR_MONTHS = 12
_MOST_NAMED = 5


def idle_runs(panel: StudioPanel) -> IntArray:
    """(S, T) months in a row, the month itself the last, without revenue and without members.

    A member count that is unknown in such a month counts as none; a month that is unknown ends the run.
    """
    members = panel.values["total_members"]
    idle = (panel.values["total_revenue"] == 0) & ~(members > 0)
    months = np.arange(idle.shape[1])
    busy_until = np.maximum.accumulate(np.where(idle, -1, months), axis=1)
    return np.asarray(months - busy_until, dtype=np.int64)


def closed_months(panel: StudioPanel) -> BoolArray:
    """(S, T) True where a studio counts as closed at a month; later months don't change the value."""
    runs = idle_runs(panel)
    idle_year_before = np.zeros(runs.shape, dtype=bool)
    idle_year_before[:, _YEAR_MONTHS:] = runs[:, :-_YEAR_MONTHS] > 0
    return np.asarray((runs >= LEAST_MONTHS) & ~(idle_year_before & (runs < _YEAR_MONTHS)))


def closed_since(panel: StudioPanel, row: int, column: int) -> np.datetime64 | None:
    """First month without revenue and members of a studio that counts as closed at a month; None if open."""
    one = panel.select(np.array([row]))
    if not closed_months(one)[0, column]:
        return None
    first: np.datetime64 = panel.months[column - int(idle_runs(one)[0, column]) + 1]
    return first


def closed_studios(panel: StudioPanel) -> list[tuple[str, np.datetime64]]:
    """Studios that count as closed at their last month, with the first month of the idle run."""
    last = panel.last_months
    rows = np.flatnonzero(closed_months(panel)[np.arange(panel.n_studios), last])
    since = panel.months[last[rows] - idle_runs(panel)[rows, last[rows]] + 1]
    return list(zip(panel.studio_ids[rows].tolist(), since, strict=True))


def closed_text(closed: Sequence[tuple[str, np.datetime64]]) -> str:
    """One sentence on `closed_studios` for the log of a run; "" if there are none."""
    named = ", ".join(f"{name} has taken nothing since {since}" for name, since in closed[:_MOST_NAMED])
    more = f", and {len(closed) - _MOST_NAMED} more" if len(closed) > _MOST_NAMED else ""
    return f"Taken as closed and forecast at 0: {named}{more}." if named else ""
