"""Bridge of revenue from the last known month to a forecast month, in drivers that add up.

The core runs the months ahead twice, as it is and without seasons. The run without seasons goes from the base
month, its season taken out, to the forecast month:

    revenue           = members x (price + mix)
    change of members = members in - members out (+ members to start with, where that lever is given)

What joined and left counts at the mean of both months' revenue a member, price and mix at the mean of both
months' members: the Shapley value of two factors, so that nothing is left over. Season is what the run with
seasons has more, at the end less at the start; a lever that is held has no season. What the ensemble makes of
the core's revenue is the model correction. All parts add up to the change.
Source: two-factor Shapley decomposition, e.g. Ang (2004), Energy Policy 32(9).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from studio_pipeline.forecasting.core.core_view import CoreView, MemberMonths

_CENT = 0.01
_ROUNDING = 1e-9


@dataclass(frozen=True)
class KnownMonth:
    """The last known month of a studio, currency and counts; NaN where unknown.

    Attributes:
        revenue: in all.
        members: at the month's end.
        membership_revenue: from memberships.
    """

    revenue: float
    members: float
    membership_revenue: float


@dataclass(frozen=True)
class Driver:
    """One part of a change of revenue.

    Attributes:
        name: `members_in`, `members_out`, `starting_members`, `price`, `mix`, `season`, `model_correction`;
            `members` where it isn't known who came and went, `level` where there are no members.
        amount: currency.
        share: of the change, which they add up to; None where there is none, to the cent.
    """

    name: str
    amount: float
    share: float | None


@dataclass(frozen=True)
class Bridge:
    """The way from one month's revenue to another's.

    Attributes:
        revenue_then: of the last known month, currency.
        revenue: of the forecast month, currency.
        drivers: their amounts add up to the change.
        joined: members who join up to the forecast month; None where unknown.
        left: members who leave up to then; None where unknown.
    """

    revenue_then: float
    revenue: float
    drivers: tuple[Driver, ...]
    joined: float | None = None
    left: float | None = None

    @property
    def change(self) -> float:
        """Currency."""
        return self.revenue - self.revenue_then


@dataclass(frozen=True)
class _Month:
    """A month without its season: members, and what one of them brings, currency."""

    members: float
    price: float
    mix: float

    @property
    def revenue(self) -> float:
        return self.members * (self.price + self.mix)


def revenue_bridge(known: KnownMonth, view: CoreView, revenue: float, month: int) -> Bridge:
    """The bridge to a forecast month.

    Args:
        known: the last known month.
        view: from there on.
        revenue: forecast of the month, currency.
        month: 1 for the month after the last known one.
    """
    if not known.revenue and not revenue:
        return Bridge(known.revenue, revenue, ())
    place = month - 1
    core, end = (float(run.revenue[place]) for run in (view.ahead, view.ahead_without_season))
    start, parts = _without_season(known, view, place)
    season = (core - end) - (known.revenue - start)
    amounts = {**parts, "season": season, "model_correction": revenue - core}
    joined, left = _moves(view.ahead, place)
    known_moves = math.isfinite(joined + left)
    return Bridge(
        known.revenue,
        revenue,
        _drivers(amounts, revenue - known.revenue),
        joined if known_moves else None,
        left if known_moves else None,
    )


def _drivers(amounts: Mapping[str, float], change: float) -> tuple[Driver, ...]:
    is_shared = abs(change) >= _CENT
    return tuple(
        Driver(name, amount, amount / change if is_shared else None) for name, amount in amounts.items()
    )


def _without_season(known: KnownMonth, view: CoreView, place: int) -> tuple[float, dict[str, float]]:
    """The last known month's revenue without its season, and the parts of the change from there on."""
    run = view.ahead_without_season
    end = _Month(float(run.members[place]), float(run.price[place]), float(run.mix[place]))
    if not (known.members > 0 and math.isfinite(end.revenue)):
        start_revenue = known.revenue / _season(view, "revenue")
        return start_revenue, {"level": float(run.revenue[place]) - start_revenue}
    start = _start(known, view)
    members, price, mix = (start.members + end.members) / 2, end.price - start.price, end.mix - start.mix
    per_member = (start.price + start.mix + end.price + end.mix) / 2
    moved = {name: count * per_member for name, count in _changes_of_members(start, end, run, place).items()}
    return start.revenue, moved | {"price": members * price, "mix": members * mix}


def _start(known: KnownMonth, view: CoreView) -> _Month:
    """The last known month without its season; without a split of revenue all of it is price."""
    paid = known.membership_revenue if math.isfinite(known.membership_revenue) else known.revenue
    return _Month(
        known.members / _season(view, "members"),
        paid / known.members / _season(view, "price"),
        (known.revenue - paid) / known.members / _season(view, "mix"),
    )


def _changes_of_members(start: _Month, end: _Month, run: MemberMonths, place: int) -> dict[str, float]:
    """Counts by the names of drivers; they add up to the change from start to end."""
    joined, left = _moves(run, place)
    if not math.isfinite(joined + left):
        return {"members": end.members - start.members}
    counts = {"members_in": joined, "members_out": -left}
    restocked = (end.members - start.members) - (joined - left)
    if abs(restocked) > _ROUNDING * start.members:
        return {"starting_members": restocked} | counts
    return counts


def _moves(run: MemberMonths, place: int) -> tuple[float, float]:
    """How many members join, and how many leave, up to a month; NaN where that isn't known."""
    months = slice(place + 1)
    return float(run.new_members[months].sum()), float(run.churned_members[months].sum())


def _season(view: CoreView, name: str) -> float:
    """Factor by which the season of the last known month moves one of its figures; 1 where it has none."""
    with_season, without = (float(getattr(month, name)[0]) for month in (view.now, view.now_without_season))
    least = _ROUNDING * float(view.now_without_season.price[0]) if name == "mix" else 0.0
    return with_season / without if with_season > least and without > least else 1.0
