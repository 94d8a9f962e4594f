"""A model version: everything that answers need besides the panel, as JSON and ONNX."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio_pipeline.errors import ModelFormatError
from studio_pipeline.forecasting.core_parameters import CoreParameters
from studio_pipeline.forecasting.correction_graph import CorrectionGraph
from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.forecasting.learning_rows import ROW_FEATURES
from studio_pipeline.panel.arrays import FloatArray

_FORMAT = 3


@dataclass(frozen=True)
class StudioModel:
    """A trained recipe.

    Attributes:
        core: the stock-and-flow core, fitted on all months.
        weights: target to (H, C) weights in the order of `CANDIDATES`.
        intervals: of revenue.
        accuracy: (H,) 1 - WAPE of revenue over the first h months in the backtest; NaN where there was none.
        graphs: of the learners that have weight somewhere; None where none has.
    """

    core: CoreParameters
    weights: Mapping[str, FloatArray]
    intervals: IntervalTables
    accuracy: FloatArray
    graphs: CorrectionGraph | None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of the learners' rows."""
        return ROW_FEATURES

    def save(self, folder: Path) -> None:
        """Writes model.json and, where a learner has weight, the graph into an existing folder."""
        stored = {
            "format": _FORMAT,
            "core": self.core.to_json(),
            "weights": {target: w.tolist() for target, w in self.weights.items()},
            "intervals": self.intervals.to_json(),
            "accuracy": [None if np.isnan(a) else float(a) for a in self.accuracy],
            "features": list(self.feature_names),
            "graphs": None if self.graphs is None else self.graphs.save(folder),
        }
        (folder / "model.json").write_text(json.dumps(stored, allow_nan=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> StudioModel:
        """Inverse of `save`.

        Raises:
            ModelFormatError: another version of this program wrote it, in a form that this one doesn't read.
        """
        stored = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if (found := stored.get("format")) != _FORMAT:
            raise ModelFormatError(
                f"{folder / 'model.json'} has format {found}; this version reads format {_FORMAT}.",
                "Run `studio run` to publish a model of this version, or install the one that wrote it.",
            )
        return cls(
            CoreParameters.from_json(stored["core"]),
            {target: np.array(w) for target, w in stored["weights"].items()},
            IntervalTables.from_json(stored["intervals"]),
            np.array([np.nan if a is None else a for a in stored["accuracy"]]),
            None if stored["graphs"] is None else CorrectionGraph.load(folder, stored["graphs"]),
        )
