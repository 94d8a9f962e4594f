"""A studio's levers as they are: what the request says, else the studio's last three months."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from studio_pipeline.errors import LeverError
from studio_pipeline.forecasting.bounds import LEVER_BOUNDS, START_LEVER, check_levers
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.studio_origin import StudioOrigin
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.planning.levers import WHOLE

PRESENT_MONTHS = 3
_WHOLE_LEVERS = tuple(HELD_LEVERS[place] for place in WHOLE)


def present_levers(
    origin: StudioOrigin, panel: StudioPanel, studio_id: str, stated: Mapping[str, float]
) -> dict[str, float]:
    """Each lever that the studio's data carry, as it is.

    A lever is the mean of its known values in the last three months, else its last known value; the member
    count is that of the base month. Whole levers are rounded.

    Args:
        origin: the studio.
        panel: the months.
        studio_id: its name.
        stated: levers whose present the request says; taken as they are.

    Raises:
        LeverError: one that is stated is out of bounds or not carried by the data, or the data carry nothing
            that could be planned.
    """
    check_levers(stated, origin.shown, "current_state")
    if not origin.history_months:
        return {lever: stated[lever] for lever in LEVER_BOUNDS}
    _check_carried(origin, studio_id, stated)
    row, column = panel.rows[studio_id], panel.column_of(origin.base_month)
    recent = {
        lever: _recent(lever, panel.values[LEVER_COLUMNS[lever]][row, : column + 1])
        for lever in origin.carried
    }
    return {lever: stated.get(lever, recent[lever]) for lever in LEVER_BOUNDS if lever in recent}


def _check_carried(origin: StudioOrigin, studio_id: str, stated: Mapping[str, float]) -> None:
    if START_LEVER not in origin.shown:
        raise LeverError(
            f"No plan can be made for studio {studio_id!r}: its data have no total_members, so that no lever "
            "is known to change its revenue.",
            "Import months that have members, and better also retention_rate and new_members.",
        )
    if not_carried := [lever for lever in stated if lever not in origin.carried]:
        raise LeverError(
            f"current_state: the data of studio {studio_id!r} can't carry {', '.join(not_carried)}.",
            "Leave these out, or import months that have their columns.",
        )


def _recent(lever: str, values: FloatArray) -> float:
    """Of all values up to the base month, of which at least one is known."""
    known = values[np.isfinite(values)]
    last = values[-1:] if lever == START_LEVER else values[-PRESENT_MONTHS:]
    last = last[np.isfinite(last)]
    value = float(last.mean()) if last.size else float(known[-1])
    return float(math.floor(value + 0.5)) if lever in _WHOLE_LEVERS else value
