"""One month: from where studios stand, by what happens and what is held, to the month's books."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from studio_pipeline.panel.generator.conditions import month_conditions
from studio_pipeline.panel.generator.drift import drift
from studio_pipeline.panel.generator.membership import churned_members, free_retention, new_members
from studio_pipeline.panel.generator.money import Sales, earn
from studio_pipeline.panel.generator.randomness import MarketNoise, StudioNoise
from studio_pipeline.panel.generator.state import HeldLevers, Month, State, World, held_or


def advance(
    world: World, state: State, month: int, noise: tuple[StudioNoise, MarketNoise], held: HeldLevers
) -> tuple[State, Month]:
    """Live through one month.

    Args:
        world: the fleet and its calendar.
        state: the end of the month before; (S,) or (D, S).
        month: index of this month in the world's calendar.
        noise: standard normals of this month.
        held: levers held; a held lever acts on the others as a free one of that value would.
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
