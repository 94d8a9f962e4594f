"""Configuration of the monitoring: thresholds of live accuracy and of the drift monitor."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AccuracyConfig(BaseModel):
    """Live accuracy: false-alarm rate, changes to detect, tolerances of levers, rows to keep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_alarms_a_year: float = Field(
        0.1,
        gt=0,
        le=2,
        description="False alarms of `errors_as_promised` in an honest year, at most, on average.",
    )
    error_excess: float = Field(
        0.3, gt=0, le=2, description="Excess of the live error over the promise that is looked for, relative."
    )
    coverage_lack: float = Field(
        0.1, gt=0, le=0.5, description="Lack of coverage of the 90 % intervals that is looked for."
    )
    lever_tolerance: float = Field(
        0.05, ge=0, le=0.5, description="How far a lever that was carried out may be off, relative."
    )
    rate_tolerance: float = Field(
        0.02, ge=0, le=0.2, description="The same of a rate, absolute (0.02: two points)."
    )
    kept_base_months: int = Field(
        24, ge=13, le=120, description="Base months whose single forecasts are kept; of older ones, the sums."
    )
    most_lever_questions: int = Field(
        100_000,
        ge=0,
        le=2_000_000,
        description="Forecasts under given levers that are kept, one a month ahead, the latest first.",
    )
    most_scenarios: int = Field(
        200, ge=0, le=10_000, description="Saved scenarios whose miss is split in one run, the newest first."
    )


class DriftConfig(BaseModel):
    """Drift monitor: false-alarm rate, and the months after which an alarm ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_alarms_per_year: float = Field(
        0.05,
        ge=0.0001,
        le=0.5,
        description="Chance of an alarm in a year without drift, over all that `drift_report` watches.",
    )
    recovery_months: int = Field(
        3, ge=1, le=12, description="Quiet months in a row after which a drift alarm ends."
    )
