"""How types of studio differ: size, price, visits, loyalty, season, exposure to the shock, phase of growth.

The figures are round guesses at what such studios look like; nothing was fitted to anyone's books.
"""

from __future__ import annotations

from dataclasses import dataclass

Season = tuple[int, int, int, int, int, int, int, int, int, int, int, int]
"""Per cent above or below the year's level, January to December (of log odds, for retention)."""


@dataclass(frozen=True)
class TypeTraits:
    """A typical studio of one type; single studios scatter around it.

    Attributes:
        members: members the studio settles at.
        ticket: membership price a month, currency.
        retention: monthly retention in an ordinary month, 0..1.
        visits: visits a member and month.
        upsell_rate: members who buy an extra, 0..1.
        pack_share: visits paid by class pack over visits of members.
        retail_spend: goods bought a member and month, currency.
        shock_exposure: how hard the common shock hits, 1 for the average type.
        phase_weights: chance of a studio being new, growing, settled or declining; adds up to 1.
        new_season, visits_season, retention_season: seasons of new members, visits a member, and retention.
    """

    members: float
    ticket: float
    retention: float
    visits: float
    upsell_rate: float
    pack_share: float
    retail_spend: float
    shock_exposure: float
    phase_weights: tuple[float, float, float, float]
    new_season: Season
    visits_season: Season
    retention_season: Season


NEUTRAL = TypeTraits(
    members=330, ticket=130, retention=0.938, visits=5.5, upsell_rate=0.20,
        pack_share=0.07, retail_spend=5.0, shock_exposure=0.95, phase_weights=(0.15, 0.25, 0.40, 0.20),
    new_season=(25, 8, 5, 0, -4, -9, -12, -8, 10, 4, -6, -13),
    visits_season=(6, 4, 3, 1, 0, -3, -6, -6, 2, 3, 1, -5),
    retention_season=(6, -3, -2, 2, 0, -4, -6, -4, 5, 4, 3, -1),
)  # fmt: skip
"""A type the generator has not heard of."""

KNOWN_TYPES: dict[str, TypeTraits] = {
    "Yoga": TypeTraits(
        members=310, ticket=112, retention=0.936, visits=5.0, upsell_rate=0.17,
        pack_share=0.11, retail_spend=5.5, shock_exposure=0.75, phase_weights=(0.15, 0.25, 0.40, 0.20),
        new_season=(34, 10, 4, 0, -6, -12, -18, -12, 18, 6, -8, -16),
        visits_season=(9, 6, 4, 1, -2, -6, -10, -9, 5, 5, 2, -5),
        retention_season=(10, -4, -4, 2, 0, -8, -10, -4, 8, 6, 4, 0),
    ),
    "Pilates": TypeTraits(
        members=290, ticket=178, retention=0.946, visits=4.4, upsell_rate=0.25,
        pack_share=0.09, retail_spend=6.5, shock_exposure=0.85, phase_weights=(0.20, 0.40, 0.30, 0.10),
        new_season=(22, 12, 12, 8, 2, -8, -16, -20, 10, 6, -8, -20),
        visits_season=(5, 5, 4, 3, 1, -3, -8, -9, 3, 4, 2, -7),
        retention_season=(6, 2, 2, 2, 0, -6, -10, -6, 6, 4, 2, -2),
    ),
    "CrossFit": TypeTraits(
        members=255, ticket=162, retention=0.951, visits=8.6, upsell_rate=0.21,
        pack_share=0.03, retail_spend=9.0, shock_exposure=0.95, phase_weights=(0.10, 0.25, 0.45, 0.20),
        new_season=(26, 12, 14, 10, 8, -2, -10, -10, 2, -8, -18, -24),
        visits_season=(5, 4, 4, 3, 2, 0, -3, -4, 1, 0, -4, -8),
        retention_season=(4, 0, 4, 4, 2, 0, -4, -4, 2, 0, -4, -4),
    ),
    "Cycling": TypeTraits(
        members=410, ticket=134, retention=0.926, visits=6.0, upsell_rate=0.19,
        pack_share=0.13, retail_spend=4.0, shock_exposure=1.15, phase_weights=(0.10, 0.15, 0.40, 0.35),
        new_season=(44, 26, 12, -8, -22, -32, -36, -26, 8, 18, 20, -4),
        visits_season=(16, 14, 9, -1, -9, -16, -19, -14, 0, 7, 11, 2),
        retention_season=(12, 8, 2, -8, -14, -14, -8, 0, 8, 8, 6, 0),
    ),
    "Dance": TypeTraits(
        members=360, ticket=88, retention=0.931, visits=4.8, upsell_rate=0.14,
        pack_share=0.08, retail_spend=6.0, shock_exposure=1.05, phase_weights=(0.15, 0.20, 0.50, 0.15),
        new_season=(16, 2, 0, -4, -10, -28, -40, -8, 58, 24, 0, -10),
        visits_season=(3, 4, 5, 6, 8, 2, -24, -20, 5, 7, 6, -2),
        retention_season=(4, 2, 4, 6, 2, -26, -22, 2, 12, 8, 6, 2),
    ),
}  # fmt: skip


def traits_of(studio_type: str) -> TypeTraits:
    """The traits of a type by its name; neutral ones for a name not known."""
    return KNOWN_TYPES.get(studio_type, NEUTRAL)
