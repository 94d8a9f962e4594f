"""Configuration of the hyperparameter search: budget, limits and the gain required of its result.

The ranges of the hyperparameters are in `spaces`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


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
