"""One generated month: its conditions, joiners and leavers, and revenue by source.

`advance` runs the steps in order, after `drift.drift` has moved the state. All functions are vectorised over
studios, and over D possible futures where `truth` needs them. The coefficients are in `planted_responses`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, ndtr

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.drift import drift
from studio_pipeline.panel.generator.fleet import workload_hours
from studio_pipeline.panel.generator.randomness import MarketNoise, StudioNoise, happens
from studio_pipeline.panel.generator.state import HeldLevers, Month, State, World, held_or


@dataclass(frozen=True)
class MonthConditions:
    """Conditions of one month; (..., S).

    Attributes:
        shut: share of business shut down by the common shock, 0..1.
        promoted: addend of a promotion to the log of new members.
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
) -> MonthConditions:
    """The conditions of a month, with held levers at their given values."""
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
    return MonthConditions(
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
    """Visits of the members at the month's start over seats, bounded by the seats."""
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
    """Hours with clients over paid hours; during the common shock part of the staff is sent home unpaid."""
    paid = state.staff * world.fleet.hours * (1 - 0.27 * shut) * (1 - 0.4 * state.disruption)
    return _between(
        workload_hours(classes, state.members) / paid * np.exp(0.03 * noise.utilization),
        0.60,
        1.0,
        centre=0.80,
    )


def _between(value: FloatArray, low: float, high: float, centre: float) -> FloatArray:
    """Smoothly bound values to low..high, leaving those near the centre unchanged."""
    span = high - low
    share = (centre - low) / span
    return np.asarray(low + span * expit(logit(share) + (value - centre) / (span * share * (1 - share))))


LOYAL_CORE = 85.0
"""Stock of members below which the remaining ones are increasingly loyal."""
SMALLEST_STOCK, MOST_NEW_MEMBERS = 50.0, 100.0
"""Lower bound of the stock and upper bound of new members a month, unless levers are held beyond them."""


def new_members(
    world: World, state: State, month: int, noise: StudioNoise, conditions: MonthConditions, held: HeldLevers
) -> FloatArray:
    """Members who join this month, whole numbers."""
    fleet = world.fleet
    course = np.exp(-month / fleet.demand_months)
    demand = fleet.size * (fleet.demand_end + (fleet.demand_start - fleet.demand_end) * course)
    log_pull = (
        fleet.new_season[world.calendar_months[month]]
        + state.market_acquisition
        + state.acquisition_mood
        + state.reputation
        + world.responses.price_on_acquisition * fleet.price_sensitivity * conditions.price_gap
        + conditions.promoted
        + state.buzz
        + world.rebound[month] * fleet.exposure * world.responses.shock_strength
        - 1.1 * conditions.shut
        - 0.8 * state.disruption
    )
    mean = demand * (1 - fleet.retention) * np.exp(log_pull)
    free = np.clip(np.rint(mean + np.sqrt(mean) * noise.joins), 0.0, MOST_NEW_MEMBERS)
    return _whole(held_or(held, "new_members_monthly", free), noise.joins)


def free_retention(world: World, state: State, month: int, conditions: MonthConditions) -> FloatArray:
    """The retention rate that results from the month's conditions, 0..1."""
    fleet, planted = world.fleet, world.responses
    crowded = np.maximum(conditions.attendance_rate - planted.comfortable_attendance_rate, 0.0)
    overworked = np.maximum(conditions.utilization - planted.comfortable_staff_utilization, 0.0)
    log_odds = (
        logit(fleet.retention)
        + fleet.retention_season[world.calendar_months[month]]
        + state.market_retention
        + state.retention_mood
        + planted.price_on_retention * fleet.price_sensitivity * conditions.price_gap
        + planted.crowding_on_retention * crowded
        + planted.overwork_on_retention * overworked
        - 0.65 * conditions.shut
        - 0.6 * state.disruption
        + 3.0 * np.log(np.maximum(LOYAL_CORE / np.maximum(state.members, 1.0), 1.0))
    )
    return np.asarray(expit(log_odds))


def churned_members(
    state: State, noise: StudioNoise, retention: FloatArray, new: FloatArray, held: HeldLevers
) -> FloatArray:
    """Members who leave this month, whole numbers, at the free retention rate or at the held one."""
    mean = state.members * (1 - retention)
    free = np.rint(mean + np.sqrt(mean * retention) * noise.churn)
    free = np.clip(free, 0.0, np.clip(state.members + new - SMALLEST_STOCK, 0.0, state.members))
    kept = held_or(held, "retention_rate", np.asarray(np.nan))
    return np.where(np.isnan(kept), free, _whole(state.members * (1 - kept), noise.churn))


def _whole(value: FloatArray, noise: FloatArray) -> FloatArray:
    """Round up or down at random so that the expected value is unchanged."""
    return np.floor(value + np.where(value == np.rint(value), 0.0, ndtr(noise)))


RETAIL_SEASON = np.array((-6, -8, -4, 0, 2, 0, -4, -4, 0, 0, 4, 20)) / 100
"""Season of goods sold, log scale, January to December, with a Christmas peak."""


@dataclass(frozen=True)
class Sales:
    """Quantities sold in a month; (..., S).

    Attributes:
        members: the stock at the month's end.
        ticket: membership price, currency, whole cents.
        attendance: attendances.
        buyers: members who bought an extra.
        promoted: effect of a promotion, log scale; cheap class packs are part of it.
        shut: share of business shut down by the common shock, 0..1.
    """

    members: FloatArray
    ticket: FloatArray
    attendance: FloatArray
    buyers: FloatArray
    promoted: FloatArray
    shut: FloatArray


@dataclass(frozen=True)
class Revenue:
    """Revenue of a month, currency, whole cents; (..., S)."""

    membership_revenue: FloatArray
    class_pack_revenue: FloatArray
    retail_revenue: FloatArray
    upsell_revenue: FloatArray
    total_revenue: FloatArray


def earn(world: World, state: State, month: int, noise: StudioNoise, sales: Sales) -> Revenue:
    """Compute a month's revenue from its sales; the four sources add up to the total exactly."""
    fleet, level = world.fleet, state.price_level
    season = RETAIL_SEASON[world.calendar_months[month]]
    packs = sales.attendance * fleet.pack_share * fleet.pack_price * level
    packs = packs * np.exp(0.08 * noise.class_packs + 0.5 * sales.promoted + 0.4 * state.buzz)
    retail = (
        sales.members
        * fleet.retail_spend
        * level
        * (1 - 0.5 * sales.shut)
        * np.exp(season + 0.12 * noise.retail)
    )
    upsell = sales.buyers * fleet.upsell_spend * level * np.exp(0.05 * noise.upsell_spend)
    parts = (sales.members * sales.ticket, packs, retail, upsell)
    membership_cents, pack_cents, retail_cents, upsell_cents = (np.rint(100 * part) for part in parts)
    return Revenue(
        membership_revenue=membership_cents / 100,
        class_pack_revenue=pack_cents / 100,
        retail_revenue=retail_cents / 100,
        upsell_revenue=upsell_cents / 100,
        total_revenue=(membership_cents + pack_cents + retail_cents + upsell_cents) / 100,
    )


def advance(
    world: World, state: State, month: int, noise: tuple[StudioNoise, MarketNoise], held: HeldLevers
) -> tuple[State, Month]:
    """Simulate one month.

    Args:
        world: the fleet and its calendar.
        state: the end of the month before; (S,) or (D, S).
        month: index of this month in the world's calendar.
        noise: standard normals of this month.
        held: levers held; a held lever affects the others as a free one of that value would.
    """
    own, market = noise
    state = drift(world, state, month, own, market)
    conditions = month_conditions(world, state, month, own, held)
    new = new_members(world, state, month, own, conditions, held)
    churned = churned_members(state, own, free_retention(world, state, month, conditions), new, held)
    members = state.members - churned + new
    upsell_rate = held_or(
        held, "upsell_rate", np.minimum(world.fleet.upsell_rate * np.exp(state.upsell_mood), 0.48)
    )
    buyers = np.rint(upsell_rate * members)
    sales = Sales(
        members, conditions.ticket, conditions.attendance, buyers, conditions.promoted, conditions.shut
    )
    revenue = earn(world, state, month, own, sales)
    books = Month(
        total_members=members,
        new_members=new,
        churned_members=churned,
        retention_rate=1 - churned / np.maximum(state.members, 1.0),
        avg_ticket_price=conditions.ticket,
        total_classes_held=conditions.classes,
        total_class_attendance=conditions.attendance,
        class_attendance_rate=conditions.attendance_rate,
        class_capacity=world.fleet.seats + np.zeros_like(members),
        staff_count=state.staff,
        staff_utilization_rate=conditions.utilization,
        upsell_rate=buyers / np.maximum(members, 1.0),
        membership_revenue=revenue.membership_revenue,
        class_pack_revenue=revenue.class_pack_revenue,
        retail_revenue=revenue.retail_revenue,
        upsell_revenue=revenue.upsell_revenue,
        total_revenue=revenue.total_revenue,
    )
    handed_on = replace(
        state, members=members, attendance_rate=conditions.attendance_rate, utilization=conditions.utilization
    )
    return handed_on, books
