"""Options of the generator, and the true effects of levers that it plants (`planted_responses`).

The planted behaviour, with r the retention rate, P the ticket, R the studio's reference price (its own base
price times the common price level, which drifts), a the class attendance rate and u the staff utilisation:

    logit r = studio + season + common + own + price_on_retention log(P/R)
              + crowding_on_retention max(a - comfortable_attendance_rate, 0)
              + overwork_on_retention max(u - comfortable_staff_utilization, 0) + shocks
    log new = studio + season + common + own + price_on_acquisition log(P/R) + promotions + shocks
    log visits a member = studio + season + own + classes_on_visits log(classes a member)

"common" and "own" are autoregressive noise of the market and of one studio. Decisions on price, timetable
and payroll don't depend on retention or new members, so these are causal effects that a regression can
estimate. The simulation that applies them is in `dynamics`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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

    studios: int = Field(200, ge=1, le=100_000, description="Number of studios, 1 to 100,000.")
    months: int = Field(60, ge=1, le=240, description="Months of each studio, 1 to 240.")
    types: Annotated[tuple[str, ...], AfterValidator(_type_names)] = Field(
        STUDIO_TYPES,
        min_length=1,
        description="Types of studio, dealt out in turn; a name not known gets neutral traits.",
    )
    seed: int = Field(7, ge=0, lt=2**63, description="Seed of every number drawn, 0 or more.")
    last_month: MonthText = Field("2024-12", description="The last month made, as YYYY-MM.")
    shock: bool = Field(
        True,
        description="Whether a COVID-like shock hits all studios from `shock_month` on, with a recovery.",
    )
    shock_month: MonthText = Field("2020-03", description="First month of the shock, as YYYY-MM.")
    vary: bool = Field(
        False, description="Whether the strength of effects, seasons and shock is drawn from the seed."
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


@dataclass(frozen=True)
class PlantedResponses:
    """The true coefficients of one synthetic fleet."""

    price_on_retention: float = -1.2  # slope of logit retention on log price over the reference; negative
    price_on_acquisition: float = -0.75  # elasticity of new members to price over the reference; negative
    crowding_on_retention: float = -2.4  # slope of logit retention on attendance above comfort; negative
    overwork_on_retention: float = -3.0  # slope of logit retention on utilisation above comfort; negative
    classes_on_visits: float = 0.35  # elasticity of visits a member to classes a member; 0..1
    comfortable_attendance_rate: float = 0.74  # the attendance rate from which a class feels crowded, 0..1
    comfortable_staff_utilization: float = 0.84  # the utilisation from which staff are overworked, 0..1
    studio_spread: float = 0.2  # SD over studios of the log of their sensitivity to price, whose mean is 1
    price_drift: float = 0.0022  # monthly growth of the common price level
    season_strength: float = 1.0  # factor on the seasons of the studio types; 1 is as tabled
    shock_strength: float = 1.0  # factor on the common shock; 1 is as tabled


VARIED_RANGES: dict[str, tuple[float, float]] = {
    "price_on_retention": (-2.2, -0.4),
    "price_on_acquisition": (-1.4, -0.2),
    "crowding_on_retention": (-4.0, -0.8),
    "overwork_on_retention": (-5.0, -1.0),
    "classes_on_visits": (0.15, 0.55),
    "comfortable_attendance_rate": (0.68, 0.80),
    "comfortable_staff_utilization": (0.80, 0.88),
    "studio_spread": (0.0, 0.35),
    "price_drift": (0.0, 0.0035),
    "season_strength": (0.3, 1.6),
    "shock_strength": (0.4, 1.3),
}
"""The range from which each coefficient is drawn uniformly where `vary` is set."""


MARKET, STUDIO, RESPONSES, FUTURE = range(4)


def random_generator(seed: int, *key: int) -> np.random.Generator:
    """One of the independent random streams of a seed; the key begins with its kind, such as `MARKET`."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def planted_responses(options: GeneratorConfig) -> PlantedResponses:
    """The coefficients of a configuration: the defaults or, with `vary`, drawn from its seed."""
    if not options.vary:
        return PlantedResponses()
    shares = random_generator(options.seed, RESPONSES).random(len(VARIED_RANGES))
    ranges = zip(VARIED_RANGES.items(), shares, strict=True)
    return PlantedResponses(**{name: float(a + share * (b - a)) for (name, (a, b)), share in ranges})
