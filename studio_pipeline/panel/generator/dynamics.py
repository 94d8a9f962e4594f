"""One generated month: noise, events, decisions of the owners, conditions, joiners and leavers, and revenue.

All functions are vectorised over studios, and over D possible futures where true effects are computed.
Decisions on price, timetable and staff don't depend on retention or new members. The coefficients of the
responses to levers are in `options`, the data classes in `state`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, ndtr

from studio_pipeline.panel.arrays import BoolArray, FloatArray
from studio_pipeline.panel.generator.fleet import workload_hours
from studio_pipeline.panel.generator.state import (
    HeldLevers,
    MarketNoise,
    Month,
    State,
    StudioNoise,
    World,
    happens,
    held_or,
)

REVIEW_CHANCE = 0.85
"""Chance that the yearly price review takes place."""
MID_YEAR_CHANCE = 0.008
"""Chance of a price change in any other month, such as after a competitor opens or the rent rises."""
LARGEST_PRICE_STEPS = (-0.06, 0.10)
"""Largest price cut and rise in one step, log scale."""
FLOOD_CHANCE, VIRAL_CHANCE = 0.003, 0.004
"""Probabilities per studio and month of a flood and of a viral video."""


def _decide_list_price(world: World, state: State, month: int, noise: StudioNoise) -> FloatArray:
    """The list price of this month, whole currency units: changed at the yearly review, seldom in between.

    The target lies around the reference price. Studios well above it keep their price for a while, those
    below catch up, and few cut; between reviews the common price level drifts on.
    """
    fleet = world.fleet
    reference = fleet.ticket * state.price_level
    due = (fleet.review_month == world.calendar_months[month]) & happens(noise.price_review, REVIEW_CHANCE)
    reviewed = due | happens(-noise.price_review, MID_YEAR_CHANCE)
    reviewed &= world.closure[month] < 0.5
    step = np.log(reference / state.list_price) + 0.01 + 0.06 * noise.price_target
    worth_it = (step > 0.02) | (step < -0.075)
    new_price = np.rint(state.list_price * np.exp(np.clip(step, *LARGEST_PRICE_STEPS)))
    return np.where(reviewed & worth_it, new_price, state.list_price)


def _decide_classes(state: State, noise: StudioNoise) -> FloatArray:
    """Classes on the ordinary timetable: added where full, cut where empty, sometimes changed at random."""
    full = happens(noise.timetable_change, 0.22) & (state.attendance_rate > 0.75)
    empty = happens(noise.timetable_change, 0.18) & (state.attendance_rate < 0.56) & (state.disruption < 0.1)
    random_change = happens(-noise.timetable_change, 0.035)
    size = 0.05 + 0.08 * ndtr(noise.timetable_size)
    step = np.where(random_change, np.sign(noise.timetable_size) * size * 1.3, full * size - empty * size)
    return np.asarray(np.clip(state.planned_classes * np.exp(step), 78.0, 440.0))


def _decide_staff(state: State, noise: StudioNoise) -> FloatArray:
    """Heads on the payroll: hired where overworked, not replaced where idle; a few leave at random."""
    chance = ndtr(noise.staffing_change)
    busy, idle = state.utilization > 0.85, state.utilization < 0.72
    hired = busy & (chance < 0.30) | (chance > 0.985)
    left = (
        idle & (chance < 0.20) | ~busy & ~idle & (chance < 0.03) | busy & (chance > 0.95) & (chance <= 0.985)
    )
    return np.asarray(state.staff + hired - (left & (state.staff > 3)))


def _drift(world: World, state: State, month: int, noise: StudioNoise, market: MarketNoise) -> State:
    """The state after this month's noise, events and decisions; the stock of members is not changed yet."""
    level_growth = world.responses.price_drift + 0.0008 * market.price_level
    flood_size = 0.45 + 0.4 * ndtr(noise.flood_size)
    viral_size = 0.5 + 0.4 * ndtr(noise.viral_size)
    moved = replace(
        state,
        market_retention=_autoregressive(state.market_retention, 0.75, 0.025, market.retention),
        market_acquisition=_autoregressive(state.market_acquisition, 0.85, 0.03, market.acquisition),
        price_level=state.price_level * np.exp(level_growth),
        retention_mood=_autoregressive(state.retention_mood, 0.7, 0.05, noise.retention),
        acquisition_mood=_autoregressive(state.acquisition_mood, 0.6, 0.08, noise.acquisition),
        reputation=_autoregressive(state.reputation, 0.98, 0.022, noise.reputation),
        visits_mood=_autoregressive(state.visits_mood, 0.75, 0.035, noise.attendance),
        upsell_mood=_autoregressive(state.upsell_mood, 0.88, 0.06, noise.upsell),
        disruption=_event(state.disruption, 0.35, happens(noise.flood, FLOOD_CHANCE), flood_size),
        buzz=_event(state.buzz, 0.4, happens(noise.viral_video, VIRAL_CHANCE), viral_size),
    )
    return replace(
        moved,
        list_price=_decide_list_price(world, moved, month, noise),
        planned_classes=_decide_classes(moved, noise),
        staff=_decide_staff(moved, noise),
    )


def _autoregressive(value: FloatArray, memory: float, scatter: float, noise: FloatArray) -> FloatArray:
    return memory * value + scatter * noise


def _event(value: FloatArray, memory: float, happened: BoolArray, size: FloatArray) -> FloatArray:
    return np.maximum(memory * value, np.where(happened, size, 0.0))


@dataclass(frozen=True)
class MonthConditions:
    """Conditions of one month; (..., S)."""

    shut: FloatArray  # share of business shut down by the common shock, 0..1
    promoted: FloatArray  # addend of a promotion to the log of new members; cheap class packs are part of it
    ticket: FloatArray  # membership price, currency, whole cents
    price_gap: FloatArray  # log of the ticket over the reference price
    # classes, attendance, attendance_rate, utilization: of the month.
    classes: FloatArray
    attendance: FloatArray
    attendance_rate: FloatArray
    utilization: FloatArray


def _conditions(
    world: World, state: State, month: int, noise: StudioNoise, held: HeldLevers
) -> MonthConditions:
    fleet = world.fleet
    season = fleet.visits_season[world.calendar_months[month]]
    shut = np.minimum(world.closure[month] * fleet.exposure * world.responses.shock_strength, 1.0)
    ticket = held_or(held, "avg_ticket_price", state.list_price * np.exp(0.004 * noise.price_mix - 0.01))
    ticket = np.rint(100 * ticket) / 100
    promotion = 0.24 + 0.06 * np.clip(noise.promotion_size, -2, 2)
    planned = state.planned_classes * (1 - 0.3 * shut) * (1 - 0.5 * state.disruption)
    free_classes = np.clip(planned * np.exp(0.3 * season + 0.02 * noise.class_count), 50.0, 500.0)
    classes = np.rint(held_or(held, "total_classes_held", free_classes))
    # Visits of the members at the month's start, bounded by the seats.
    members = np.maximum(state.members, 1.0)
    choice = classes / fleet.classes * fleet.size / members
    visits = members * fleet.visits * np.exp(season + state.visits_mood)
    visits = visits * choice**world.responses.classes_on_visits
    visits = visits * (1 - 0.42 * shut) * (1 - 0.5 * state.disruption)
    free_rate = _between(visits / (classes * fleet.seats), 0.40, 1.0, centre=0.70)
    attendance = np.rint(held_or(held, "class_attendance_rate", free_rate) * classes * fleet.seats)
    # During the common shock part of the staff is sent home unpaid.
    paid = state.staff * fleet.hours * (1 - 0.27 * shut) * (1 - 0.4 * state.disruption)
    used = workload_hours(classes, state.members) / paid * np.exp(0.03 * noise.utilization)
    return MonthConditions(
        shut=shut,
        promoted=np.where(happens(noise.promotion, 0.06), promotion, 0.0) * (shut < 0.3),
        ticket=ticket,
        price_gap=np.log(ticket / (fleet.ticket * state.price_level)),
        classes=classes,
        attendance=attendance,
        attendance_rate=attendance / (classes * fleet.seats),
        utilization=held_or(held, "staff_utilization_rate", _between(used, 0.60, 1.0, centre=0.80)),
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


def _new_members(
    world: World, state: State, month: int, noise: StudioNoise, conditions: MonthConditions, held: HeldLevers
) -> FloatArray:
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


def _free_retention(world: World, state: State, month: int, conditions: MonthConditions) -> FloatArray:
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


def _churned_members(
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


def advance(
    world: World, state: State, month: int, noise: tuple[StudioNoise, MarketNoise], held: HeldLevers
) -> tuple[State, Month]:
    """Simulate the month after a state, (S,) or (D, S): the state at its end, and its recorded figures.

    A held lever affects the others as a free one of that value would.
    """
    fleet, (own, market) = world.fleet, noise
    state = _drift(world, state, month, own, market)
    now = _conditions(world, state, month, own, held)
    new = _new_members(world, state, month, own, now, held)
    churned = _churned_members(state, own, _free_retention(world, state, month, now), new, held)
    members = state.members - churned + new
    free_upsell = np.minimum(fleet.upsell_rate * np.exp(state.upsell_mood), 0.48)
    buyers = np.rint(held_or(held, "upsell_rate", free_upsell) * members)
    level, season = state.price_level, RETAIL_SEASON[world.calendar_months[month]]
    packs = now.attendance * fleet.pack_share * fleet.pack_price * level
    packs = packs * np.exp(0.08 * own.class_packs + 0.5 * now.promoted + 0.4 * state.buzz)
    retail = members * fleet.retail_spend * level * (1 - 0.5 * now.shut) * np.exp(season + 0.12 * own.retail)
    upsell = buyers * fleet.upsell_spend * level * np.exp(0.05 * own.upsell_spend)
    cents = [np.rint(100 * part) for part in (members * now.ticket, packs, retail, upsell)]
    books = Month(
        total_members=members,
        new_members=new,
        churned_members=churned,
        retention_rate=1 - churned / np.maximum(state.members, 1.0),
        avg_ticket_price=now.ticket,
        total_classes_held=now.classes,
        total_class_attendance=now.attendance,
        class_attendance_rate=now.attendance_rate,
        class_capacity=fleet.seats + np.zeros_like(members),
        staff_count=state.staff,
        staff_utilization_rate=now.utilization,
        upsell_rate=buyers / np.maximum(members, 1.0),
        membership_revenue=cents[0] / 100,
        class_pack_revenue=cents[1] / 100,
        retail_revenue=cents[2] / 100,
        upsell_revenue=cents[3] / 100,
        total_revenue=(cents[0] + cents[1] + cents[2] + cents[3]) / 100,
    )
    return replace(
        state, members=members, attendance_rate=now.attendance_rate, utilization=now.utilization
    ), books
