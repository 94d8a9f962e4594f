"""What the drift monitor is asked for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DriftOptions(BaseModel):
    """How often the drift monitor may be wrong, and what it looks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_alarms_per_year: float = Field(
        default=0.05,
        ge=0.0001,
        le=0.5,
        description="Chance of an alarm in a year without drift, over all that `drift_report` watches.",
    )
    recovery_months: int = Field(
        default=3, ge=1, le=12, description="Quiet months in a row after which a drift alarm ends."
    )
