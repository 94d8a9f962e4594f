"""Random draws, calendar, common shock and state of the generated studios, and the levers held in it.

All randomness is drawn as standard normals, month by month, so that more studios or later months don't
change earlier draws. The transitions are in `dynamics`, the constant traits of a studio in `fleet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray
from studio_pipeline.panel.generator.fleet import Fleet
from studio_pipeline.panel.generator.options import (
    FUTURE,
    MARKET,
    STUDIO,
    GeneratorConfig,
    PlantedResponses,
    month_number,
    random_generator,
)

CLOSURE: tuple[float, ...] = (
    0.70, 1.00, 0.80, 0.52, 0.40, 0.32, 0.30, 0.34, 0.48, 0.55, 0.48, 0.36,
    0.28, 0.20, 0.14, 0.10, 0.07, 0.04, 0.02,
)  # fmt: skip
"""Share of business shut down in each month of the shock."""

REBOUND: tuple[float, ...] = (
    0.02, 0.05, 0.08, 0.11, 0.14, 0.16, 0.17, 0.17, 0.16, 0.15, 0.13, 0.12,
    0.10, 0.08, 0.07, 0.05, 0.04, 0.03, 0.02, 0.01,
)  # fmt: skip
"""Addend of returning customers to the log of new members, from `REBOUND_DELAY` months into the shock on."""

REBOUND_DELAY = 12


class StudioNoise(NamedTuple):
    """Standard normals of one month; each (..., S)."""

    price_mix: FloatArray
    price_review: FloatArray
    price_target: FloatArray
    timetable_change: FloatArray
    timetable_size: FloatArray
    class_count: FloatArray
    staffing_change: FloatArray
    utilization: FloatArray
    attendance: FloatArray
    retention: FloatArray
    churn: FloatArray
    acquisition: FloatArray
    reputation: FloatArray
    joins: FloatArray
    promotion: FloatArray
    promotion_size: FloatArray
    flood: FloatArray
    flood_size: FloatArray
    viral_video: FloatArray
    viral_size: FloatArray
    upsell: FloatArray
    upsell_spend: FloatArray
    class_packs: FloatArray
    retail: FloatArray


class MarketNoise(NamedTuple):
    """Standard normals that all studios share in one month; each () or (D, 1)."""

    retention: FloatArray
    acquisition: FloatArray
    price_level: FloatArray


def market_noise(seed: int, n_months: int) -> FloatArray:
    """(T, 3) standard normals of the common market."""
    return random_generator(seed, MARKET).standard_normal((n_months, len(MarketNoise._fields)))


def studio_noise(seed: int, n_studios: int, n_traits: int, n_months: int) -> tuple[FloatArray, FloatArray]:
    """Standard normals of each studio: for its traits, (n_traits, S), and for its months, (T, 24, S)."""
    width = len(StudioNoise._fields)
    drawn = np.empty((n_studios, n_traits + n_months * width))
    for studio in range(n_studios):
        random_generator(seed, STUDIO, studio).standard_normal(out=drawn[studio])
    drawn = np.ascontiguousarray(drawn.T)
    return drawn[:n_traits], drawn[n_traits:].reshape(n_months, width, n_studios)


def future_noise(
    seed: int, base: int, draws: int, n_studios: int
) -> Iterator[tuple[StudioNoise, MarketNoise]]:
    """Standard normals after the first `base` months in D = `draws` possible futures: (D, S), and (D, 1).

    Repeated calls give the same futures.
    """
    generator = random_generator(seed, FUTURE, base)
    while True:
        market = generator.standard_normal((len(MarketNoise._fields), draws, 1))
        own = generator.standard_normal((len(StudioNoise._fields), draws, n_studios))
        yield StudioNoise(*own), MarketNoise(*market)


def happens(noise: FloatArray, chance: float) -> BoolArray:
    """Boolean mask of events with this probability (0..1), from standard normals."""
    return np.asarray(noise < ndtri(chance))


HeldLevers = Mapping[str, FloatArray]
"""Levers held: name to one value per studio, (S,) or (); NaN where that studio's lever stays free."""


@dataclass(frozen=True)
class World:
    """A fleet, its planted coefficients, and its calendar over T months."""

    fleet: Fleet
    responses: PlantedResponses
    calendar_months: IntArray  # (T,) month of the year, 0..11
    # closure, rebound: (T,) course of the common shock, see `CLOSURE` and `REBOUND`; 0 where it is off.
    closure: FloatArray
    rebound: FloatArray


@dataclass(frozen=True)
class State:
    """State of the studios at a month's end: (S,), or (D, S) with D possible pasts of each."""

    members: FloatArray
    list_price: FloatArray  # currency
    planned_classes: FloatArray  # classes on the timetable of an ordinary month
    staff: FloatArray
    attendance_rate: FloatArray  # of the last month, as observed by the owner, 0..1
    utilization: FloatArray  # the same
    # retention_mood, acquisition_mood, reputation, visits_mood, upsell_mood: the studio's own autoregressive
    # noise; `reputation` is slow, and acts on acquisition.
    retention_mood: FloatArray
    acquisition_mood: FloatArray
    reputation: FloatArray
    visits_mood: FloatArray
    upsell_mood: FloatArray
    disruption: FloatArray  # share of business that a flood still shuts down, 0..1
    buzz: FloatArray  # addend of a viral video to the log of new members
    market_retention: FloatArray  # common autoregressive noise, (), or (D, 1)
    market_acquisition: FloatArray  # the same
    price_level: FloatArray  # common price level over that before the first month, (), or (D, 1)


@dataclass(frozen=True)
class Month:
    """Recorded figures of a month; (S,), or (D, S). Money in currency, exact to the cent."""

    total_members: FloatArray
    new_members: FloatArray
    churned_members: FloatArray
    retention_rate: FloatArray
    avg_ticket_price: FloatArray
    total_classes_held: FloatArray
    total_class_attendance: FloatArray
    class_attendance_rate: FloatArray
    class_capacity: FloatArray
    staff_count: FloatArray
    staff_utilization_rate: FloatArray
    upsell_rate: FloatArray
    membership_revenue: FloatArray
    class_pack_revenue: FloatArray
    retail_revenue: FloatArray
    upsell_revenue: FloatArray
    total_revenue: FloatArray


MONTH_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Month))


def build_world(options: GeneratorConfig, fleet: Fleet, responses: PlantedResponses, n_months: int) -> World:
    """The world of a fleet on a calendar of `n_months` months from the configuration's first."""
    numbers = options.first_month_number + np.arange(n_months)

    def course(table: tuple[float, ...], delay: int) -> FloatArray:
        since = numbers - month_number(options.shock_month) - delay
        inside = (since >= 0) & (since < len(table)) & options.shock
        return np.where(inside, np.asarray(table)[np.clip(since, 0, len(table) - 1)], 0.0)

    return World(fleet, responses, numbers % 12, course(CLOSURE, 0), course(REBOUND, REBOUND_DELAY))


def opening_state(fleet: Fleet) -> State:
    """The studios before their first month."""
    zero = np.zeros(len(fleet.size))
    calm = np.zeros(())
    return State(
        members=np.maximum(80.0, np.rint(fleet.size * fleet.demand_start)),
        list_price=fleet.list_price,
        planned_classes=fleet.classes * np.sqrt(fleet.demand_start),
        staff=fleet.staff,
        attendance_rate=zero + 0.65,
        utilization=zero + 0.785,
        market_retention=calm,
        market_acquisition=calm,
        price_level=calm + 1.0,
        **dict.fromkeys(("retention_mood", "acquisition_mood", "reputation", "visits_mood"), zero),
        **dict.fromkeys(("upsell_mood", "disruption", "buzz"), zero),
    )


def held_or(held: HeldLevers, lever: str, free: FloatArray) -> FloatArray:
    """The held values of a lever where there are any, the free ones elsewhere."""
    return np.where(np.isnan(held[lever]), free, held[lever]) if lever in held else free
