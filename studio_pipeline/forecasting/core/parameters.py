"""Fitted parameters of the stock-and-flow core with their JSON form, and the estimate of class planning.

Class planning is an error correction model: the monthly change of the log of classes is regressed on the
attendance rate of the month before, with fixed effects for each studio and month and errors clustered by
studio. Planned changes accumulate, so a growing studio adds classes some months later and its attendance
returns to the usual rate. All other parameters are fitted in `fitting` and `responses`.
Sources: Engle & Granger (1987) for the error correction; Nickell (1981) for the bias of fixed effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from studio_pipeline.forecasting.base.flows import previous_month
from studio_pipeline.forecasting.core.filter_states import FilterSettings
from studio_pipeline.forecasting.responses.regressors import RESPONDING
from studio_pipeline.forecasting.responses.responses import Responses, responses_from_json, responses_to_json
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

_FEWEST_CHANGES = 60
_FEWEST_STUDIOS = 3
_SIGNIFICANT = 3.0
_FASTEST = 0.5
_PROJECTIONS = 10


@dataclass(frozen=True)
class ClassPlanning:
    """Error correction of the number of classes towards the usual attendance rate."""

    # monthly change of the log of classes per unit of attendance rate, 0..0.5; 0 if not significant
    speed: float = 0.0
    standard_error: float = 0.0  # of the speed
    usual_attendance: float = 0.0  # the rate at which studios keep their number of classes, 0..1

    def planned(self, attendance_rate: FloatArray) -> FloatArray:
        """(S, T) change of the log of classes by planning since the panel's first month, known one month
        ahead.
        """
        before = previous_month(attendance_rate)
        steps = np.where(np.isfinite(before), self.speed * (before - self.usual_attendance), 0.0)
        return np.asarray(np.cumsum(steps, axis=1))


NO_PLANNING = ClassPlanning()


def estimate_class_planning(panel: StudioPanel) -> ClassPlanning:
    """Estimate the planning from a panel's months; `speed` is 0 if it is not significant."""
    held = panel.values["total_classes_held"]
    # A month without classes is a closure and no planning decision.
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
    # A studio's mean includes its future, which biases the speed upwards by about 1 / months even if classes
    # are a random walk (Nickell, 1981).
    if not _SIGNIFICANT * error + 1 / known.sum(1).max() < speed:
        return ClassPlanning(0.0, error, 0.0)
    speed = min(speed, _FASTEST)
    return ClassPlanning(speed, error, float(attendance[known].mean() - change[known].mean() / speed))


def _within(values: FloatArray, known: BoolArray) -> FloatArray:
    """(S, T) values less fixed effects of studio and month; 0 where not known."""
    values = np.where(known, values, 0.0)
    for _ in range(_PROJECTIONS):
        for axis in (1, 0):
            mean = values.sum(axis, keepdims=True) / np.maximum(known.sum(axis, keepdims=True), 1)
            values = np.where(known, values - mean, 0.0)
    return values


@dataclass(frozen=True)
class FlowParameters:
    """Fitted parameters of one flow."""

    settings: FilterSettings  # settings of its Kalman filter
    type_mean: FloatArray  # (K+1,) starting value of a studio's level by type; the last: unknown types
    season: FloatArray  # (K+1, 12) seasonal factors by type on the flow's scale; the last: unknown types
    # bias correction, added to a forecast on the flow's scale so that it gives a mean on the natural scale
    # (Jensen's gap)
    mean_shift: float = 0.0


@dataclass(frozen=True)
class CoreParameters:
    """Parameters of the core, fitted on the months of a panel."""

    studio_types: tuple[str, ...]  # (K,) the types that have their own row in every flow's tables
    flows: Mapping[str, FlowParameters]  # parameters by flow; flows without data are missing
    responses: Responses  # responses to levers
    planning: ClassPlanning = NO_PLANNING  # response of classes to attendance

    @property
    def has_members(self) -> bool:
        """True where members follow from retention and new members."""
        return self.flows.keys() >= set(RESPONDING)

    def types_of(self, names: Any) -> IntArray:
        """Row of each studio's type in the tables; an unknown type gets the last row."""
        rows = {name: k for k, name in enumerate(self.studio_types)}
        return np.array([rows.get(str(name), len(rows)) for name in names], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Convert to plain lists and numbers for JSON; floats round-trip exactly."""
        return {
            "studio_types": list(self.studio_types),
            "flows": {
                name: {
                    "settings": asdict(f.settings),
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
