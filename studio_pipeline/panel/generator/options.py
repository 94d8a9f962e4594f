"""Configuration of the generator: fields, ranges and defaults.

The true coefficients behind a configuration are in `planted_responses`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

STUDIO_TYPES: tuple[str, ...] = ("Yoga", "Pilates", "CrossFit", "Cycling", "Dance")

HELD_BOUNDS: dict[str, tuple[float, float]] = {
    "retention_rate": (0.5, 1.0),
    "avg_ticket_price": (50.0, 500.0),
    "class_attendance_rate": (0.4, 1.0),
    "new_members_monthly": (0.0, 100.0),
    "staff_utilization_rate": (0.6, 1.0),
    "upsell_rate": (0.0, 0.5),
    "total_classes_held": (50.0, 500.0),
    "current_member_count": (50.0, 100_000.0),
}
"""The eight levers and the range of values at which the generator can hold each."""


def _month_text(value: Any) -> str:
    match = re.fullmatch(r"(\d{4})-(\d{2})(-\d{2})?([ T].*)?", str(value))
    if match is None or not 1 <= int(match[2]) <= 12:
        raise ValueError(f"{value!r} is not a month; write it as YYYY-MM")
    return f"{match[1]}-{match[2]}"


def _held_levers(held: dict[str, float]) -> dict[str, float]:
    for lever, value in held.items():
        if lever not in HELD_BOUNDS:
            raise ValueError(f"there is no lever {lever!r}; the levers are {', '.join(HELD_BOUNDS)}")
        low, high = HELD_BOUNDS[lever]
        if not low <= value <= high:
            raise ValueError(f"{lever} can be held at {low:g} to {high:g}, not at {value:g}")
    return held


def _type_names(types: tuple[str, ...]) -> tuple[str, ...]:
    if any(not name.strip() for name in types):
        raise ValueError("a studio type needs a name")
    if len(set(types)) < len(types):
        raise ValueError("a studio type is named twice")
    return types


MonthText = Annotated[str, BeforeValidator(_month_text)]


class GeneratorConfig(BaseModel):
    """Configuration of a synthetic fleet; equal configurations give bit-identical months.

    Studio number i has type i modulo the number of types, and its months don't depend on how many studios
    follow it. Extending the calendar (a later `last_month` and as many more `months`) doesn't change the
    earlier months.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    studios: int = Field(default=200, ge=1, le=100_000, description="Number of studios, 1 to 100,000.")
    months: int = Field(default=60, ge=1, le=240, description="Months of each studio, 1 to 240.")
    types: Annotated[tuple[str, ...], AfterValidator(_type_names)] = Field(
        default=STUDIO_TYPES,
        min_length=1,
        description="Types of studio, dealt out in turn; a name not known gets neutral traits.",
    )
    seed: int = Field(default=7, ge=0, lt=2**63, description="Seed of every number drawn, 0 or more.")
    last_month: MonthText = Field(default="2024-12", description="The last month made, as YYYY-MM.")
    shock: bool = Field(
        default=True,
        description="Whether a COVID-like shock hits all studios from `shock_month` on, with a recovery.",
    )
    shock_month: MonthText = Field(default="2020-03", description="First month of the shock, as YYYY-MM.")
    vary: bool = Field(
        default=False,
        description="Whether the strength of effects, seasons and shock is drawn from the seed.",
    )
    held: Annotated[dict[str, float], AfterValidator(_held_levers)] = Field(
        default_factory=dict,
        description="Levers held at one value in every studio and month, such as avg_ticket_price: 120. "
        "`current_member_count` is the stock before the first month. A lever left out stays free.",
    )

    @model_validator(mode="after")
    def _starts_in_the_calendar(self) -> GeneratorConfig:
        if self.first_month_number < 0:
            raise ValueError(f"{self.months} months up to {self.last_month} would begin before 1970")
        return self

    @property
    def first_month_number(self) -> int:
        """The first generated month, counted from January 1970 as 0."""
        return month_number(self.last_month) - self.months + 1

    @property
    def first_month(self) -> np.datetime64:
        """The first generated month, datetime64[M]."""
        return np.datetime64(self.first_month_number, "M")


def month_number(month: str) -> int:
    """A calendar month counted from January 1970 as 0."""
    return int(np.datetime64(month, "M").astype(np.int64))
