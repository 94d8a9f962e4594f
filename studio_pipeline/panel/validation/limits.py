"""Configuration of validation: thresholds with described ranges."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ValidationConfig(BaseModel):
    """Thresholds for rejecting rows, for warnings, and for stopping a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    earliest_year: int = Field(
        1970, ge=1900, le=2100, description="Months of earlier years are rejected: they are typing errors."
    )
    largest_attendance_rate: float = Field(
        1.2,
        ge=1.0,
        le=5.0,
        description="Attendance rates above 1 and up to this are kept as 1, with a warning.",
    )
    largest_money: float = Field(
        1e12, ge=1e6, le=1e18, description="Amounts of money above this, in any currency, are rejected."
    )
    largest_count: float = Field(
        1e9,
        ge=1e4,
        le=1e15,
        description="Counts (members, classes, seats, staff, ...) above this are rejected.",
    )
    default_class_capacity: float = Field(
        20.0, gt=0.0, le=100_000.0, description="Seats per class of a studio whose data don't show it."
    )
    revenue_split_tolerance: float = Field(
        0.01, ge=0.0, le=0.5, description="Share of total revenue that its parts may miss without a word."
    )
    out_of_proportion_factor: float = Field(
        30.0,
        ge=5.0,
        le=100_000.0,
        description="A value is rejected that is this many times over (or, where the studio was as active as "
        "usual, under) its own months around it, of the same calendar month and overall.",
    )
    months_to_compare_with: int = Field(
        3,
        ge=2,
        le=60,
        description="Other months a studio must have before its values are judged by them; with "
        "fewer, only revenue per member beside steady members is.",
    )
    largest_rejected_share: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="A run stops where more than this share of a month's rows is rejected.",
    )
