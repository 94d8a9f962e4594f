"""Revenue bridge from the last known month to a forecast month: drivers that add up to the change.

The core simulates the months ahead twice, with and without seasons. The run without seasons is decomposed,
from the base month without its season to the forecast month:

    revenue           = members x (price + mix)
    change of members = members in - members out (+ members to start with, where that lever is given)

Members in and out count at the mean of both months' revenue a member, price and mix at the mean of both
months' members: the Shapley value of two factors, which leaves no residual. The season driver is the
difference between both runs at the end minus that at the start; a lever that is held has no season. The
ensemble's revenue minus the core's is the model correction.
Source: two-factor Shapley decomposition, e.g. Ang (2004), Energy Policy 32(9).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from studio_pipeline.forecasting.core.core_view import CoreView, MemberMonths

_CENT = 0.01
_ROUNDING = 1e-9


@dataclass(frozen=True)
class KnownMonth:
    """Figures of a studio's last known month, at its end; currency; NaN where unknown."""

    revenue: float
    members: float
    membership_revenue: float


@dataclass(frozen=True)
class Driver:
    """One part of a change of revenue, currency."""

    # `members_in`, `members_out`, `starting_members`, `price`, `mix`, `season`, `model_correction`; `members`
    # if members in and out are unknown, `level` if the data have no members.
    name: str
    amount: float
    share: float | None  # of the change; shares add up to 1. None if the change is 0 to the cent.


@dataclass(frozen=True)
class Bridge:
    """Change of revenue from the last known month to a forecast month, and its drivers; currency."""

    revenue_then: float
    revenue: float
    drivers: tuple[Driver, ...]
    joined: float | None = None  # members who join up to the forecast month; None if unknown
    left: float | None = None  # members who leave

    @property
    def change(self) -> float:
        """Change of revenue, currency."""
        return self.revenue - self.revenue_then


@dataclass(frozen=True)
class _Month:
    """A month without its season; price and mix are revenue a member, currency."""

    members: float
    price: float
    mix: float

    @property
    def revenue(self) -> float:
        return self.members * (self.price + self.mix)


def revenue_bridge(known: KnownMonth, view: CoreView, revenue: float, month: int) -> Bridge:
    """Computes the bridge to the forecast `revenue` of a month, 1 for the one after the last known month.

    `view` is the core's view of that known month and the months after it.
    """
    if not known.revenue and not revenue:
        return Bridge(known.revenue, revenue, ())
    place = month - 1
    core, end = (float(run.revenue[place]) for run in (view.ahead, view.ahead_without_season))
    start, parts = _without_season(known, view, place)
    season = (core - end) - (known.revenue - start)
    amounts = {**parts, "season": season, "model_correction": revenue - core}
    change = revenue - known.revenue
    drivers = tuple(
        Driver(name, amount, amount / change if abs(change) >= _CENT else None)
        for name, amount in amounts.items()
    )
    moves = _moves(view.ahead, place)
    return Bridge(known.revenue, revenue, drivers, *(moves if math.isfinite(sum(moves)) else ()))


def _without_season(known: KnownMonth, view: CoreView, place: int) -> tuple[float, dict[str, float]]:
    """The last known month's revenue without its season, and the drivers of the change without seasons."""
    run = view.ahead_without_season
    end = _Month(float(run.members[place]), float(run.price[place]), float(run.mix[place]))
    if not (known.members > 0 and math.isfinite(end.revenue)):
        start_revenue = known.revenue / _season(view, "revenue")
        return start_revenue, {"level": float(run.revenue[place]) - start_revenue}
    # If membership revenue is unknown, all revenue is price.
    paid = known.membership_revenue if math.isfinite(known.membership_revenue) else known.revenue
    start = _Month(
        known.members / _season(view, "members"),
        paid / known.members / _season(view, "price"),
        (known.revenue - paid) / known.members / _season(view, "mix"),
    )
    members, price, mix = (start.members + end.members) / 2, end.price - start.price, end.mix - start.mix
    per_member = (start.price + start.mix + end.price + end.mix) / 2
    moved = {name: count * per_member for name, count in _changes_of_members(start, end, run, place).items()}
    return start.revenue, moved | {"price": members * price, "mix": members * mix}


def _changes_of_members(start: _Month, end: _Month, run: MemberMonths, place: int) -> dict[str, float]:
    """Driver to its change of members; changes add up to the difference between start and end."""
    joined, left = _moves(run, place)
    if not math.isfinite(joined + left):
        return {"members": end.members - start.members}
    counts = {"members_in": joined, "members_out": -left}
    restocked = (end.members - start.members) - (joined - left)
    if abs(restocked) > _ROUNDING * start.members:
        return {"starting_members": restocked} | counts
    return counts


def _moves(run: MemberMonths, place: int) -> tuple[float, float]:
    """Members who join and who leave up to a month; NaN if unknown."""
    months = slice(place + 1)
    return float(run.new_members[months].sum()), float(run.churned_members[months].sum())


def _season(view: CoreView, name: str) -> float:
    """Seasonal factor of one figure in the last known month; 1 without a season."""
    with_season, without = (float(getattr(month, name)[0]) for month in (view.now, view.now_without_season))
    least = _ROUNDING * float(view.now_without_season.price[0]) if name == "mix" else 0.0
    return with_season / without if with_season > least and without > least else 1.0
