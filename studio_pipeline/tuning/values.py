"""Tuning as the configuration knows it: the limits of a search, and the tuned values that are stored.

The latest stored values are verified and validated here; the full result of a search is in `result`, the
ranges of the hyperparameters are in `spaces`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studio_pipeline.errors import CorruptReleaseError, SettingsError
from studio_pipeline.forecasting.base.hyperparameters import (
    BoostingHyperparameters,
    ForestHyperparameters,
    Hyperparameters,
)
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import ASSET_POINTER, asset_folder, shown_from

ASSET = "tuned_hyperparameters"
VALUES = "tuned.json"
REMEDY = (
    "Run the job `tune_learners` again, restore the folder from a backup,"
    " or set `tuning: {use_tuned: false}` in the file of STUDIO_CONFIG."
)
_CLASSES: dict[str, type[Hyperparameters]] = {
    "xgboost": BoostingHyperparameters,
    "lightgbm": BoostingHyperparameters,
    "random_forest": ForestHyperparameters,
}


class TuningConfig(BaseModel):
    """Configuration of the search: its limits, and the gain that its result must have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget_seconds: float = Field(
        600.0,
        gt=0,
        le=82_800,
        description="Search time for all learners of one study; a killed search goes on with what is left.",
    )
    max_trials: int = Field(150, ge=1, le=10_000, description="Most trials of a learner in one study.")
    least_gain: float = Field(
        0.005,
        ge=0,
        le=0.5,
        description="Share of a learner's error that tuned values must save, beyond noise, to be used.",
    )
    kept_studies: int = Field(5, ge=1, le=1_000, description="Studies that are kept, the latest ones.")
    use_tuned: bool = Field(True, description="Whether tuned hyperparameters take the place of the defaults.")


@dataclass(frozen=True)
class TunedValues:
    """Tuned hyperparameter values as stored."""

    values: Mapping[str, Mapping[str, float]]  # learner to hyperparameter to value, without kept defaults
    created_at: str = ""  # time of storage, ISO 8601; empty if nothing is stored
    data_version: str = ""  # of the months used for the search


def read_tuned_values(home: Path) -> TunedValues:
    """Read the latest tuned values of STUDIO_HOME; empty if no search has ended yet.

    Raises:
        SettingsError: the stored values are corrupt, or outside the ranges of this version.
    """
    versions = asset_folder(home, ASSET)
    try:
        folder = versions / (versions / ASSET_POINTER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return TunedValues({})
    try:
        manifest = verify_folder(folder)
        stored = json.loads((folder / VALUES).read_text(encoding="utf-8"))
        values, data_version = stored["values"], str(stored["data_version"])
    except CorruptReleaseError as error:
        raise _refusal(home, error.what) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refusal(home, f"{folder / VALUES} can't be read ({error}).") from error
    return TunedValues(_checked(home, folder, values), manifest.created_at, data_version)


def _checked(home: Path, folder: Path, values: Any) -> dict[str, dict[str, float]]:
    if not isinstance(values, dict) or not set(values) <= set(_CLASSES):
        raise _refusal(home, f"{folder / VALUES} is of other learners than {', '.join(_CLASSES)}.")
    for learner, found in values.items():
        try:
            _CLASSES[learner].model_validate(found)
        except ValidationError as error:
            lines = [
                f"{folder / VALUES}: forecasting.{'.'.join(map(str, (learner, *item['loc'])))}: {item['msg']}"
                for item in error.errors(include_url=False, include_context=False)
            ]
            raise _refusal(home, "\n".join(lines)) from None
    return values


def _refusal(home: Path, what: str) -> SettingsError:
    return SettingsError(f"The tuned hyperparameters can't be used: {shown_from(home, what)}", REMEDY)
