"""How studios adapt their timetable: full classes bring more classes, empty ones fewer, month by month.

The monthly change of the log of classes is regressed on how full classes were the month before, with effects
for each studio and each month. What is planned adds up over the months, so a studio that grows gets its
classes some months later, and its attendance comes back to what is usual: a correction of errors.
Source: Engle & Granger (1987) for the correction of errors; errors clustered by studio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.flows import previous_month
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel

_FEWEST_CHANGES = 60
_FEWEST_STUDIOS = 3
_SIGNIFICANT = 3.0
_FASTEST = 0.5
_PROJECTIONS = 10


@dataclass(frozen=True)
class ClassPlanning:
    """How fast classes follow attendance.

    Attributes:
        speed: monthly change of the log of classes per point of attendance rate, 0..0.5; 0 where the data
            show none.
        standard_error: of the speed.
        usual_attendance: the rate at which studios leave their classes as they are, 0..1.
    """

    speed: float = 0.0
    standard_error: float = 0.0
    usual_attendance: float = 0.0

    def planned(self, attendance_rate: FloatArray) -> FloatArray:
        """(S, T) what planning has added to the log of classes since a panel's first month, known one month
        before.
        """
        before = previous_month(attendance_rate)
        steps = np.where(np.isfinite(before), self.speed * (before - self.usual_attendance), 0.0)
        return np.asarray(np.cumsum(steps, axis=1))


NO_PLANNING = ClassPlanning()


def estimate_class_planning(panel: StudioPanel) -> ClassPlanning:
    """The planning that a panel's months show; none where it is not clearly there."""
    held = panel.values["total_classes_held"]
    # A month without a class is a closure and plans nothing.
    classes = np.log(np.where(held > 0, held, np.nan))
    change = classes - previous_month(classes)
    attendance = previous_month(panel.values["class_attendance_rate"])
    known = np.isfinite(change) & np.isfinite(attendance)
    studios = known.any(1)
    if known.sum() < _FEWEST_CHANGES or studios.sum() < _FEWEST_STUDIOS:
        return NO_PLANNING
    x, y = _within(attendance, known), _within(change, known)
    variation = float((x * x).sum())
    if variation < 1e-6 * known.sum():
        return NO_PLANNING
    speed = float((x * y).sum()) / variation
    error = float(np.sqrt(((x * (y - speed * x)).sum(1) ** 2).sum())) / variation
    # A studio's mean knows its own future, which alone makes classes that wander seem to come back (Nickell,
    # 1981): by about one over the months.
    if not _SIGNIFICANT * error + 1 / known.sum(1).max() < speed:
        return ClassPlanning(0.0, error, 0.0)
    speed = min(speed, _FASTEST)
    return ClassPlanning(speed, error, float(attendance[known].mean() - change[known].mean() / speed))


def _within(values: FloatArray, known: BoolArray) -> FloatArray:
    """(S, T) values less the effects of their studio and month; 0 where not known."""
    values = np.where(known, values, 0.0)
    for _ in range(_PROJECTIONS):
        for axis in (1, 0):
            mean = values.sum(axis, keepdims=True) / np.maximum(known.sum(axis, keepdims=True), 1)
            values = np.where(known, values - mean, 0.0)
    return values
