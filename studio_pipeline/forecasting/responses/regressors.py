"""Regressors of the lever responses with their comfort thresholds.

Also the sum of slopes times regressors that is added to a flow. The slopes are estimated in `estimation` and
stored in `responses`; their priors are in `priors`.
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
    """Thresholds above which attendance and staff utilisation are burdens.

    Attributes:
        attendance_rate: rate above which classes are crowded, 0..1.
        utilization: rate above which staff are overworked, 0..1.
        same_month: crowding acts in its own month; else in the month after.
    """

    attendance_rate: float = 0.8
    utilization: float = 0.85
    same_month: bool = False


def contribution(
    slopes: Mapping[str, FloatArray],
    comfort: Comfort,
    price_log: FloatArray,
    attendance: tuple[FloatArray, FloatArray],
    utilization: FloatArray,
) -> FloatArray:
    """Sum of slopes times regressors for retention or acquisition, on the flow's scale.

    An unknown rate contributes as its typical value.

    Args:
        slopes: regressor to its slope, broadcastable to the other arrays.
        comfort: thresholds of the burdens.
        price_log: log of the price; used only where its slope isn't 0.
        attendance: rates of the month before and of the month itself, 0..1.
        utilization: staff utilisation of the month, 0..1.
    """
    before, now = (known_attendance(rate) for rate in attendance)
    crowded = crowding(now if comfort.same_month else before, comfort.attendance_rate)
    worked = np.where(np.isfinite(utilization), utilization, comfort.utilization)
    regressors = {"crowding": crowded, "overwork": overwork(worked, comfort.utilization)}
    if "fullness" in slopes:
        regressors["fullness"] = before
    regressors["price"] = np.where(slopes["price"] != 0, price_log, 0.0)
    return response(np.zeros(()), slopes, regressors)


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


def crowding(attendance: FloatArray, comfortable: float | FloatArray = Comfort.attendance_rate) -> FloatArray:
    """Attendance above the comfortable rate, in rate points."""
    return np.maximum(attendance - comfortable, 0.0)


def overwork(utilization: FloatArray, comfortable: float | FloatArray = Comfort.utilization) -> FloatArray:
    """Staff utilisation above the comfortable rate, in rate points."""
    return np.maximum(utilization - comfortable, 0.0)


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
