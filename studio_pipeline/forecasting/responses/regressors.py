"""Regressors of the lever responses with their comfort thresholds.

The slopes are estimated in `estimation` and stored in `responses`; their priors are in `priors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.flows import previous_month
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

TYPICAL_ATTENDANCE = 0.65

RESPONDING = ("retention", "acquisition")
REGRESSORS_OF: dict[str, tuple[str, ...]] = {
    "retention": ("price", "fullness", "crowding", "overwork"),
    "acquisition": ("price", "crowding", "overwork"),
    "visits": ("classes",),
    "utilization": ("classes",),
}
"""Flow to the regressors that it may respond to. Acquisition has no fullness: new members don't know how full
classes were before they joined, and their own visits add to it.
"""


@dataclass(frozen=True)
class Comfort:
    """Thresholds above which attendance and staff utilisation are burdens."""

    attendance_rate: float = 0.8  # rate above which classes are crowded, 0..1
    utilization: float = 0.85  # rate above which staff are overworked, 0..1
    same_month: bool = False  # crowding acts in its own month; else in the month after


def response(
    level: FloatArray, slopes: Mapping[str, FloatArray], regressors: Mapping[str, FloatArray]
) -> FloatArray:
    """A flow's level plus its slopes times the regressors, added in their order."""
    for name, values in regressors.items():
        level = level + slopes[name] * values
    return level


def known_attendance(rate: FloatArray) -> FloatArray:
    """Attendance rates, an unknown one as the typical rate."""
    return np.where(np.isfinite(rate), rate, TYPICAL_ATTENDANCE)


def burden(rate: FloatArray, comfortable: float | FloatArray) -> FloatArray:
    """Rate above the comfortable one, in rate points: crowding of classes, or overwork of staff."""
    return np.maximum(rate - comfortable, 0.0)


def starting_members(panel: StudioPanel) -> FloatArray:
    """(S, T) members at each month's start; where unknown, those at its end."""
    members = panel.values["total_members"]
    before = previous_month(members)
    return np.where(np.isfinite(before), before, members)


def known_log(values: FloatArray, over: FloatArray | float = 1.0) -> FloatArray:
    """Log of values, or of their ratio to others; NaN where it is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values / over)
    return np.where(np.isfinite(logs), logs, np.nan)


def classes_per_member(
    classes: FloatArray, members: FloatArray, unknown: float | FloatArray = np.nan
) -> FloatArray:
    """Log of classes per member; `unknown` where it is not finite."""
    density = known_log(classes, members)
    return np.where(np.isfinite(density), density, unknown)
