"""State of the generated studios between months, the levers held in it, the calendar and the common shock.

The transitions are in `dynamics`, the constant traits of a studio in `fleet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray
from studio_pipeline.panel.generator.fleet import Fleet
from studio_pipeline.panel.generator.options import GeneratorConfig, PlantedResponses, month_number

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


HeldLevers = Mapping[str, FloatArray]
"""Levers held: name to one value per studio, (S,) or (); NaN where that studio's lever stays free."""


@dataclass(frozen=True)
class World:
    """A fleet, its planted coefficients, and its calendar over T months.

    Attributes:
        fleet: the studios.
        responses: the planted coefficients.
        calendar_months: (T,) month of the year, 0..11.
        closure, rebound: (T,) course of the common shock, see `CLOSURE` and `REBOUND`; 0 where it is off.
    """

    fleet: Fleet
    responses: PlantedResponses
    calendar_months: IntArray
    closure: FloatArray
    rebound: FloatArray


@dataclass(frozen=True)
class State:
    """State of the studios at a month's end: (S,), or (D, S) with D possible pasts of each.

    Attributes:
        members: the stock.
        list_price: list price, currency.
        planned_classes: classes on the timetable of an ordinary month.
        staff: heads.
        attendance_rate, utilization: of the last month, as observed by the owner, 0..1.
        retention_mood, acquisition_mood, reputation, visits_mood, upsell_mood: the studio's own
            autoregressive noise; `reputation` is slow, and acts on acquisition.
        disruption: share of business that a flood still shuts down, 0..1.
        buzz: addend of a viral video to the log of new members.
        market_retention, market_acquisition: common autoregressive noise, (), or (D, 1).
        price_level: common price level over that before the first month, (), or (D, 1).
    """

    members: FloatArray
    list_price: FloatArray
    planned_classes: FloatArray
    staff: FloatArray
    attendance_rate: FloatArray
    utilization: FloatArray
    retention_mood: FloatArray
    acquisition_mood: FloatArray
    reputation: FloatArray
    visits_mood: FloatArray
    upsell_mood: FloatArray
    disruption: FloatArray
    buzz: FloatArray
    market_retention: FloatArray
    market_acquisition: FloatArray
    price_level: FloatArray


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
        retention_mood=zero,
        acquisition_mood=zero,
        reputation=zero,
        visits_mood=zero,
        upsell_mood=zero,
        disruption=zero,
        buzz=zero,
        market_retention=calm,
        market_acquisition=calm,
        price_level=calm + 1.0,
    )


def held_or(held: HeldLevers, lever: str, free: FloatArray) -> FloatArray:
    """The held values of a lever where there are any, the free ones elsewhere."""
    return np.where(np.isnan(held[lever]), free, held[lever]) if lever in held else free
