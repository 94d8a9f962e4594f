"""What a month is like before anyone joins or leaves: price, timetable, crowding, work and promotions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.fleet import workload_hours
from studio_pipeline.panel.generator.randomness import StudioNoise, happens
from studio_pipeline.panel.generator.state import HeldLevers, State, World, held_or


@dataclass(frozen=True)
class Conditions:
    """Conditions of one month; (..., S).

    Attributes:
        shut: what the common shock shuts down, 0..1.
        promoted: what a promotion adds to the log of new members.
        ticket: membership price, currency, whole cents.
        price_gap: log of the ticket over the reference price.
        classes, attendance, attendance_rate, utilization: of the month.
    """

    shut: FloatArray
    promoted: FloatArray
    ticket: FloatArray
    price_gap: FloatArray
    classes: FloatArray
    attendance: FloatArray
    attendance_rate: FloatArray
    utilization: FloatArray


def month_conditions(
    world: World, state: State, month: int, noise: StudioNoise, held: HeldLevers
) -> Conditions:
    """The conditions of a month, free or as held."""
    fleet = world.fleet
    shut = np.minimum(world.closure[month] * fleet.exposure * world.responses.shock_strength, 1.0)
    ticket = held_or(held, "avg_ticket_price", state.list_price * np.exp(0.004 * noise.price_mix - 0.01))
    ticket = np.rint(100 * ticket) / 100
    promotion = 0.24 + 0.06 * np.clip(noise.promotion_size, -2, 2)
    planned = state.planned_classes * (1 - 0.3 * shut) * (1 - 0.5 * state.disruption)
    season = 0.3 * fleet.visits_season[world.calendar_months[month]]
    free_classes = np.clip(planned * np.exp(season + 0.02 * noise.class_count), 50.0, 500.0)
    classes = np.rint(held_or(held, "total_classes_held", free_classes))
    rate = held_or(held, "class_attendance_rate", _attendance_rate(world, state, month, classes, shut))
    attendance = np.rint(rate * classes * fleet.seats)
    utilization = held_or(held, "staff_utilization_rate", _utilization(world, state, noise, classes, shut))
    return Conditions(
        shut=shut,
        promoted=np.where(happens(noise.promotion, 0.06), promotion, 0.0) * (shut < 0.3),
        ticket=ticket,
        price_gap=np.log(ticket / (fleet.ticket * state.price_level)),
        classes=classes,
        attendance=attendance,
        attendance_rate=attendance / (classes * fleet.seats),
        utilization=utilization,
    )


def _attendance_rate(
    world: World, state: State, month: int, classes: FloatArray, shut: FloatArray
) -> FloatArray:
    """Visits of the members there at the month's start over seats; full rooms turn some away."""
    fleet = world.fleet
    members = np.maximum(state.members, 1.0)
    choice = classes / fleet.classes * fleet.size / members
    appetite = fleet.visits_season[world.calendar_months[month]] + state.visits_mood
    visits = members * fleet.visits * np.exp(appetite) * choice**world.responses.classes_on_visits
    visits = visits * (1 - 0.42 * shut) * (1 - 0.5 * state.disruption)
    return _between(visits / (classes * fleet.seats), 0.40, 1.0, centre=0.70)


def _utilization(
    world: World, state: State, noise: StudioNoise, classes: FloatArray, shut: FloatArray
) -> FloatArray:
    """Hours with clients over hours paid; in the common shock part of the staff is sent home unpaid."""
    paid = state.staff * world.fleet.hours * (1 - 0.27 * shut) * (1 - 0.4 * state.disruption)
    return _between(
        workload_hours(classes, state.members) / paid * np.exp(0.03 * noise.utilization),
        0.60,
        1.0,
        centre=0.80,
    )


def _between(value: FloatArray, low: float, high: float, centre: float) -> FloatArray:
    """A smooth bend into low..high that leaves values near the centre as they are."""
    span = high - low
    share = (centre - low) / span
    return np.asarray(low + span * expit(logit(share) + (value - centre) / (span * share * (1 - share))))
