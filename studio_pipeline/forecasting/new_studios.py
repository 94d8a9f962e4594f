"""Studios without history: a panel of one month that the levers of the query make."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.errors import BaseMonthError, UnknownStudioError
from studio_pipeline.forecasting.bounds import LEVER_BOUNDS, Range
from studio_pipeline.forecasting.queries import ForwardQuery
from studio_pipeline.forecasting.requests import check_all_levers
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

NEAR_MONTHS = 12
"""How far from the panel's months a new studio may start; seasons and prices beyond are not the panel's."""


def new_studio_panel(query: ForwardQuery, panel: StudioPanel, shown: Mapping[str, Range]) -> StudioPanel:
    """A panel of one month that stands for a studio without history.

    Args:
        query: as asked.
        panel: the months of the other studios.
        shown: what those have shown of each lever.

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
    """The month a new studio starts from; the panel's last where none is asked for."""
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
    """Median seats per class of the type, else of the panel, else 20."""
    capacity = panel.values["class_capacity"]
    same = panel.studio_types == (studio_type or "")
    for part in (capacity[same], capacity):
        if np.isfinite(part).any():
            return float(np.nanmedian(part))
    return 20.0
