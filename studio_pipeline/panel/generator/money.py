"""The till: revenue by source, in whole cents, so that the parts add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.randomness import StudioNoise
from studio_pipeline.panel.generator.state import State, World

RETAIL_SEASON = np.array((-6, -8, -4, 0, 2, 0, -4, -4, 0, 0, 4, 20)) / 100
"""Goods sold, log scale, January to December: presents in December."""


@dataclass(frozen=True)
class Sales:
    """What there was to sell in a month; (..., S).

    Attributes:
        members: the stock at the month's end.
        ticket: membership price, currency, whole cents.
        attendance: attendances.
        buyers: members who bought an extra.
        promoted: what a promotion adds, log scale; cheap class packs are part of it.
        shut: what the common shock shuts down, 0..1.
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
    """Turn a month's sales into money; the four sources add up to the total exactly."""
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
