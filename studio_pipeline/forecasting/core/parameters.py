"""Fitted parameters of the stock-and-flow core, among them how studios adapt their timetable.

The monthly change of the log of classes is regressed on how full classes were the month before, with effects
for each studio and each month. What is planned adds up over the months, so a studio that grows gets its
classes some months later, and its attendance comes back to what is usual: a correction of errors.
Source: Engle & Granger (1987) for the correction of errors; errors clustered by studio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from studio_pipeline.forecasting.base.flows import previous_month
from studio_pipeline.forecasting.core.filter_states import FilterSettings
from studio_pipeline.forecasting.responses.responses import Responses, responses_from_json, responses_to_json
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

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


@dataclass(frozen=True)
class FlowParameters:
    """What is fitted of one flow.

    Attributes:
        settings: of its level filter.
        type_mean: (K+1,) where a studio's level starts, by type; the last entry serves unknown types.
        season: (K+1, 12) seasonal factors by type on the flow's scale; the last row serves unknown types.
        mean_shift: what takes a forecast from the flow's scale to a mean on the natural scale (Jensen's gap).
    """

    settings: FilterSettings
    type_mean: FloatArray
    season: FloatArray
    mean_shift: float = 0.0


@dataclass(frozen=True)
class CoreParameters:
    """What is fitted of the core on the months of a panel.

    Attributes:
        studio_types: (K,) the types that have their own row in every flow's tables.
        flows: parameters by flow; a flow without data is not there.
        responses: of retention, acquisition and visits to levers.
        planning: of classes by how full they are.
    """

    studio_types: tuple[str, ...]
    flows: Mapping[str, FlowParameters]
    responses: Responses
    planning: ClassPlanning = NO_PLANNING

    def types_of(self, names: Any) -> IntArray:
        """Row of each studio's type in the tables; an unknown type gets the last row."""
        rows = {name: k for k, name in enumerate(self.studio_types)}
        return np.array([rows.get(str(name), len(rows)) for name in names], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; floats keep every bit."""
        return {
            "studio_types": list(self.studio_types),
            "flows": {
                name: {
                    "settings": f.settings.as_dict(),
                    "type_mean": f.type_mean.tolist(),
                    "season": f.season.tolist(),
                    "mean_shift": f.mean_shift,
                }
                for name, f in self.flows.items()
            },
            "responses": responses_to_json(self.responses),
            "class_planning": asdict(self.planning),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CoreParameters:
        """Inverse of `to_json`."""
        flows = {
            name: FlowParameters(
                FilterSettings(**f["settings"]),
                np.array(f["type_mean"]),
                np.array(f["season"]),
                f["mean_shift"],
            )
            for name, f in stored["flows"].items()
        }
        responses = responses_from_json(stored["responses"])
        planning = ClassPlanning(**stored["class_planning"])
        return cls(tuple(stored["studio_types"]), flows, responses, planning)
