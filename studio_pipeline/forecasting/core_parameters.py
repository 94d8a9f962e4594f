"""What is fitted of the stock-and-flow core, as plain data that JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from studio_pipeline.forecasting.class_planning import NO_PLANNING, ClassPlanning
from studio_pipeline.forecasting.filter_settings import FilterSettings
from studio_pipeline.forecasting.response_storage import responses_from_json, responses_to_json
from studio_pipeline.forecasting.responses import Responses
from studio_pipeline.panel.arrays import FloatArray, IntArray


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
