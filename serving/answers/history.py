"""Fields of studio answers: the list of studios, and the months of one with derived figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.schemas.resources import HistoryRange, StudioEntry
from studio_pipeline.errors import UnknownStudioError
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS

_YEAR = 12


def studio_history(panel: StudioPanel, studio_id: str, wanted: HistoryRange) -> dict[str, Any]:
    """The JSON of `schemas.resources.HistoryAnswer` but for the data version.

    Raises:
        UnknownStudioError: there are no months of this studio.
    """
    row = panel.rows.get(studio_id)
    if row is None or panel.last_months[row] < 0:
        raise UnknownStudioError(
            f"There are no months of studio {studio_id!r}.", "GET /api/v1/studios lists the studios."
        )
    first, last = int(panel.known[row].argmax()), int(panel.last_months[row])
    if wanted.from_month is not None:
        first = max(first, panel.column_of(np.datetime64(wanted.from_month, "M")))
    if wanted.to_month is not None:
        last = min(last, panel.column_of(np.datetime64(wanted.to_month, "M")))
    inside = slice(first, max(last + 1, first))
    revenue, members = (panel.values[name][row] for name in ("total_revenue", "total_members"))
    figures = {name: panel.values[name][row] for name in NUMERIC_COLUMNS} | {
        "revenue_per_member": _ratio(revenue, members),
        "revenue_growth": _growth(revenue, 1),
        "revenue_growth_year": _growth(revenue, _YEAR),
    }
    rows = zip(*(_plain(values[inside]) for values in figures.values()), strict=True)
    return {
        "studio_id": studio_id,
        "studio_type": str(panel.studio_types[row]) or None,
        "months": [
            {"month": f"{month}-01", **dict(zip(figures, values, strict=True))}
            for month, values in zip(panel.months[inside], rows, strict=True)
        ],
    }


def describe_studios(panel: StudioPanel) -> list[StudioEntry]:
    """One entry a studio with any months, in the panel's order."""
    first_columns, counts = panel.known.argmax(1), np.asarray(panel.known.sum(1))
    has_members = np.asarray(np.isfinite(panel.values["total_members"]).any(1))
    return [
        StudioEntry(
            studio_id=str(panel.studio_ids[row]),
            studio_type=str(panel.studio_types[row]) or None,
            first_month=f"{panel.months[first_columns[row]]}-01",
            last_month=f"{panel.months[panel.last_months[row]]}-01",
            months=int(counts[row]),
            has_members=bool(has_members[row]),
        )
        for row in np.flatnonzero(counts)
    ]


def _growth(revenue: FloatArray, months: int) -> FloatArray:
    before = np.full_like(revenue, np.nan)
    before[months:] = revenue[:-months]
    return _ratio(revenue, before) - 1


def _ratio(over: FloatArray, under: FloatArray) -> FloatArray:
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)


def _plain(values: FloatArray) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
