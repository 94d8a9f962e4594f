"""Request checks, levers of a query as monthly paths, and one-month panels for studios without history.

The checks refuse queries that can't be answered (unknown studio or month, levers out of bounds or without the
columns they need); queries that can be answered with reservations get sentences from `warnings` instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set

import numpy as np

from studio_pipeline.errors import BaseMonthError, LeverError, UnknownStudioError
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, Range, check_lever_plan, check_levers
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.core.flow_terms import FlowTerms
from studio_pipeline.forecasting.core.simulation import LARGEST_UNCERTAINTY, execution_effects
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

_NEEDS: dict[str, tuple[str, ...]] = {
    "retention_rate": ("current_member_count", "retention_rate", "new_members_monthly"),
    "new_members_monthly": ("current_member_count", "retention_rate", "new_members_monthly"),
    "avg_ticket_price": ("current_member_count", "avg_ticket_price"),
    "class_attendance_rate": ("current_member_count", "class_attendance_rate", "total_classes_held"),
    "total_classes_held": ("current_member_count", "total_classes_held"),
    "staff_utilization_rate": ("current_member_count", "staff_utilization_rate"),
    "upsell_rate": ("current_member_count", "upsell_rate"),
    "current_member_count": ("current_member_count", "retention_rate", "new_members_monthly"),
}
_CARRIED_BY = {
    lever: tuple((needed, LEVER_COLUMNS[needed]) for needed in needs) for lever, needs in _NEEDS.items()
}
"""Lever to the levers, with their columns, that a studio's data must contain for it to have an effect."""


def locate(query: ForwardQuery, panel: StudioPanel) -> tuple[int, int]:
    """Panel row and base month's column of a query of a studio with history.

    Raises:
        UnknownStudioError: the panel has no such studio, or no month of it.
        BaseMonthError: the studio lacks the base month; the error lists the months that it has.
    """
    row = panel.rows.get(query.studio_id)
    if row is None or panel.last_months[row] < 0:
        raise UnknownStudioError(
            f"There are no months of studio {query.studio_id!r}.",
            "GET /api/v1/studios lists the studios; a new studio needs all eight levers.",
        )
    if query.base_month is None:
        return row, int(panel.last_months[row])
    column = panel.column_of(query.base_month)
    if not 0 <= column < panel.n_months or not panel.known[row, column]:
        raise BaseMonthError(
            f"Studio {query.studio_id!r} has no month {query.base_month.astype('datetime64[M]')}-01.",
            f"Its months are {_spans(panel, row)}.",
        )
    return row, column


def _spans(panel: StudioPanel, row: int) -> str:
    known = np.flatnonzero(panel.known[row])
    breaks = np.flatnonzero(np.diff(known) > 1)
    starts, ends = known[np.r_[0, breaks + 1]], known[np.r_[breaks, len(known) - 1]]
    named = [
        f"{panel.months[a]}-01" if a == b else f"{panel.months[a]}-01 to {panel.months[b]}-01"
        for a, b in zip(starts, ends, strict=True)
    ]
    return ", ".join(named[:3] + ([f"... {named[-1]}"] if len(named) > 3 else []))


def shown_ranges(shown: FloatArray) -> dict[str, Range]:
    """Lever to its smallest and largest shown value, from an (8, 2) array in the order of `LEVER_COLUMNS`; a
    lever without values is left out.
    """
    return {
        lever: (low, high)
        for lever, (low, high) in zip(LEVER_COLUMNS, shown.tolist(), strict=True)
        if math.isfinite(low)
    }


def check_query(query: ForwardQuery, shown: Mapping[str, Range], carried: Set[str]) -> None:
    """Refuses a query with levers that can't be given for a studio with history.

    Raises:
        LeverError: a lever is out of bounds, not carried by the data, or misplaced.
    """
    given = set(query.levers).union(*(step.levers for step in query.lever_plan))
    for lever in sorted(given - carried):
        missing = [column for needed, column in _CARRIED_BY.get(lever, ()) if needed not in shown]
        if missing:
            raise LeverError(
                f"levers: {lever} can't be set for studio {query.studio_id!r}: "
                f"its data have no {', '.join(missing)}.",
                "Leave the lever free, or import months that have these columns.",
            )
    check_all_levers(query, shown)


def check_all_levers(query: ForwardQuery, shown: Mapping[str, Range]) -> None:
    """Refuses levers, plan steps and an execution uncertainty that are out of bounds or misplaced.

    Raises:
        LeverError: naming the field.
    """
    if not 0 <= query.execution_uncertainty <= LARGEST_UNCERTAINTY:
        raise LeverError(
            f"execution_uncertainty is {query.execution_uncertainty:g}, but it goes from 0 to "
            f"{LARGEST_UNCERTAINTY:g}.",
            "Give the relative standard deviation with which levers are carried out, such as 0.1.",
        )
    check_levers(query.levers, shown)
    if query.lever_plan:
        check_lever_plan(query.lever_plan, query.projection_months, shown)


def carried_levers(shown: Mapping[str, Range]) -> tuple[str, ...]:
    """Levers that can be given for a studio with these shown levers."""
    return tuple(lever for lever, needs in _NEEDS.items() if all(needed in shown for needed in needs))


def lever_lists(query: ForwardQuery) -> dict[str, list[float]]:
    """Lever to its given value in each of 12 months, NaN where free; levers not given are left out."""
    paths = {name: [float(value)] * MAX_HORIZON_MONTHS for name, value in query.levers.items()}
    for step in sorted(query.lever_plan, key=lambda step: step.from_month):
        before = step.from_month - 1
        for name, value in step.levers.items():
            path = paths.setdefault(name, [math.nan] * MAX_HORIZON_MONTHS)
            path[before:] = [float(value)] * (MAX_HORIZON_MONTHS - before)
    return paths


def lever_paths(queries: Sequence[ForwardQuery]) -> dict[str, FloatArray]:
    """Lever to (N, 12) given values of N queries, NaN where free; levers that no query gives are left out."""
    return stacked_paths([lever_lists(query) for query in queries])


def stacked_paths(lists: Sequence[Mapping[str, list[float]]]) -> dict[str, FloatArray]:
    """`lever_paths` from the `lever_lists` of N queries."""
    free = [math.nan] * MAX_HORIZON_MONTHS
    names = dict.fromkeys(name for levers in lists for name in levers)
    return {name: np.array([levers.get(name, free) for levers in lists]) for name in names}


NEAR_MONTHS = 12
"""Most months between a new studio's base month and the panel's; prices change over longer spans."""


def new_studio_panel(query: ForwardQuery, panel: StudioPanel, shown: Mapping[str, Range]) -> StudioPanel:
    """A one-month panel for a studio without history, from the query's levers.

    Raises:
        UnknownStudioError: not all eight levers are given.
        BaseMonthError: the base month is more than a year away from the panel's months.
        LeverError: a lever is out of bounds of what the panel has shown.
    """
    missing = [name for name in LEVER_BOUNDS if name not in query.levers]
    if missing:
        raise UnknownStudioError(
            f"There are no months of studio {query.studio_id!r}, "
            "and without history all eight levers are needed.",
            f"Give also {', '.join(missing)}, or ask for one of GET /api/v1/studios.",
        )
    check_all_levers(query, shown)
    month = _new_base_month(query, panel)
    values = {name: np.full((1, 1), np.nan) for name in panel.values}
    for lever, name in LEVER_COLUMNS.items():
        values[name][0, 0] = query.levers[lever]
    capacity = query.class_capacity or _typical_capacity(panel, query.studio_type)
    values["class_capacity"][0, 0] = capacity
    name = query.studio_type or ""
    return StudioPanel(np.array([query.studio_id]), np.array([name]), month.astype("datetime64[M]"), values)


def _new_base_month(query: ForwardQuery, panel: StudioPanel) -> np.datetime64:
    if query.base_month is None:
        return np.datetime64(panel.months[-1], "M")
    column = panel.column_of(query.base_month)
    if not -NEAR_MONTHS <= column < panel.n_months + NEAR_MONTHS:
        raise BaseMonthError(
            f"A new studio can't start from {query.base_month.astype('datetime64[M]')}-01, "
            f"more than {NEAR_MONTHS} months away from the panel's.",
            f"The panel's months are {panel.months[0]}-01 to {panel.months[-1]}-01.",
        )
    return query.base_month


def _typical_capacity(panel: StudioPanel, studio_type: str | None) -> float:
    capacity = panel.values["class_capacity"]
    same = panel.studio_types == (studio_type or "")
    for part in (capacity[same], capacity):
        if np.isfinite(part).any():
            return float(np.nanmedian(part))
    return 20.0


def execution_of(query: ForwardQuery, terms: FlowTerms, place: int) -> FloatArray | None:
    """(J, 12) effects of carrying levers out inexactly; None where they are carried out exactly."""
    if not query.execution_uncertainty:
        return None
    one = terms.take(slice(place, place + 1))
    effects = execution_effects(one, lever_paths([query]), np.array([query.execution_uncertainty]))
    return np.asarray(effects[:, 0])
