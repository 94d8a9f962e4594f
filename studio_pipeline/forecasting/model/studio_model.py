"""Model version and its recipe: everything that answers need besides the panel, and how to fit it again.

`StudioModel` is stored as `model.json` and, if a learner has weight, an ONNX graph; `Recipe` holds the
hyperparameters that reproduce the fit. Publishing and registering a version is done in `publishing`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from studio_pipeline.errors import CorruptReleaseError, ModelFormatError
from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.core.parameters import CoreParameters
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.forecasting.learners.onnx_ensemble import OnnxEnsemble
from studio_pipeline.panel.arrays import FloatArray

_FORMAT = 4


@dataclass(frozen=True)
class StudioModel:
    """A fitted model version."""

    core: CoreParameters  # parameters of the stock-and-flow core, fitted on all months
    weights: Mapping[str, FloatArray]  # target to (H, C) ensemble weights in the order of `CANDIDATES`
    intervals: IntervalTables  # interval tables of revenue
    accuracy: FloatArray  # (H,) 1 - WAPE of revenue over the first h months in backtests; else NaN
    graphs: OnnxEnsemble | None  # of the learners with weight for a target and horizon, if any

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features of the learners, in order."""
        return ROW_FEATURES

    def save(self, folder: Path) -> None:
        """Writes `model.json` and, if a learner has weight, the ONNX graph into an existing folder."""
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
            ModelFormatError: the file has another format than this program version reads.
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
            None if stored["graphs"] is None else OnnxEnsemble.load(folder, stored["graphs"]),
        )


FITTING_CODE = 4
"""Incremented by hand when a code change gives another fit for the same hyperparameters and months."""

VERSION_LENGTH = 12


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters, features and code version that reproduce a model from the same months."""

    forecasting: ForecastingConfig  # all hyperparameters, and the seed
    features: tuple[str, ...] = ROW_FEATURES  # names of the learners' features, in order
    fitting_code: int = FITTING_CODE  # value of `FITTING_CODE` when the model was fitted

    @property
    def version(self) -> str:
        """The first 12 hex digits of a SHA-256 over the canonical JSON; equal recipes have equal versions."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:VERSION_LENGTH]

    @property
    def obstacle(self) -> str:
        """Reason why this program can't fit the recipe, as a clause; empty if it can."""
        if self.fitting_code != FITTING_CODE:
            return f"it was fitted by code version {self.fitting_code}, and this program has {FITTING_CODE}"
        if self.features != ROW_FEATURES:
            return "it was fitted on other features than this program has"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "fitting_code": self.fitting_code,
            "features": list(self.features),
            "forecasting": self.forecasting.model_dump(mode="json"),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Recipe:
        """Inverse of `to_json`; hyperparameters that the content lacks get their defaults.

        Raises:
            CorruptReleaseError: the content is no recipe, or has hyperparameters unknown to this program.
        """
        try:
            forecasting = ForecastingConfig.model_validate(content["forecasting"])
            return cls(forecasting, tuple(map(str, content["features"])), int(content["fitting_code"]))
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise CorruptReleaseError(
                f"A recipe can't be read ({str(error).splitlines()[0]}).",
                "Run the pipeline with this version of the program: the next model keeps its recipe.",
            ) from error
