"""The recipe of a model: everything besides the months that decides what a fit gives."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.forecasting.hyperparameters import ForecastingConfiguration
from studio_pipeline.forecasting.learning_rows import ROW_FEATURES

FITTING_CODE = 2
"""Raised by hand when the same hyperparameters and months begin to give another fit."""

VERSION_LENGTH = 12


@dataclass(frozen=True)
class Recipe:
    """What to fit again to get the same model from the same months.

    Attributes:
        forecasting: every hyperparameter, and the seed.
        features: names of what the learners see, in order.
        fitting_code: the `FITTING_CODE` that it was fitted by.
    """

    forecasting: ForecastingConfiguration
    features: tuple[str, ...] = ROW_FEATURES
    fitting_code: int = FITTING_CODE

    @property
    def version(self) -> str:
        """The first 12 hex digits of a SHA-256 over the canonical JSON: same recipe, same version."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:VERSION_LENGTH]

    @property
    def obstacle(self) -> str:
        """Why this program can't fit it, a clause; empty where it can."""
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
        """The inverse of `to_json`; a field that the content lacks has its default.

        Raises:
            CorruptReleaseError: it is no recipe, or has hyperparameters that this program doesn't know.
        """
        try:
            forecasting = ForecastingConfiguration.model_validate(content["forecasting"])
            return cls(forecasting, tuple(map(str, content["features"])), int(content["fitting_code"]))
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise CorruptReleaseError(
                f"A recipe can't be read ({str(error).splitlines()[0]}).",
                "Run the pipeline with this version of the program: the next model keeps its recipe.",
            ) from error
