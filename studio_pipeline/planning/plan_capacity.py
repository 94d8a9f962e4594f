"""What a studio's rooms, staff and members can take at most: a plan stays inside, or where the present is
outside already, makes nothing worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.lever_conflicts import (
    BOLD_PRICE,
    CLEAR_POINTS,
    CLEAR_RISE,
    MOST_VISITS,
    MOST_WORK,
    STANDARD_ERRORS,
)
from studio_pipeline.forecasting.studio_origin import StudioOrigin
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.planning.levers import ATTENDANCE, CLASSES, NEW, RETENTION, STAFF, TICKET

_HAIR = 1e-6
"""What a plan keeps away from a contradiction, so that rounding never makes it one."""

_HALVINGS = 40
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Loyalty:
    """The retention that members are known to show at a price, and how far above it a plan may go.

    Attributes:
        usual_ticket: price that the studio takes today.
        usual_retention: retention it shows at that price.
        slope: of the log odds of retention by the log of the price.
        standard_error: of the slope.
        excess: by how much the present is above what may be planned.
    """

    usual_ticket: float
    usual_retention: float
    slope: float
    standard_error: float
    excess: float = 0.0

    def most(self, ticket: FloatArray) -> FloatArray:
        """(N,) highest retention to plan with; 1 where the price hardly rises."""
        rise = np.log(np.maximum(ticket / self.usual_ticket, 1.0))
        odds = (1 - self.usual_retention) / self.usual_retention * np.exp(-self.slope * rise)
        expected = 1 / (1 + odds)
        error = expected * (1 - expected) * self.standard_error * rise
        most = expected + np.maximum(STANDARD_ERRORS * error, CLEAR_POINTS) + self.excess
        clear = ticket > CLEAR_RISE * self.usual_ticket
        return np.asarray(np.where(clear, np.minimum(most - _HAIR, 1.0), 1.0))


@dataclass(frozen=True)
class PlanCapacity:
    """Limits that tie levers together; infinite where nothing is known.

    Attributes:
        most_attended: attendance rate times classes: the visits that members make at most, in seats.
        most_members: members that one class a month has seats for.
        most_work: classes over utilisation: the paid hours there are.
        least_work: the paid hours that have to be filled.
        knows_staff: whether `most_work` is today's paid hours.
        loyalty: None where nothing is known.
        bold_ticket: price from which on nobody joins in numbers never seen.
        most_new: new members at such a price.
    """

    most_attended: float
    most_members: float
    most_work: float
    least_work: float
    knows_staff: bool
    loyalty: Loyalty | None
    bold_ticket: float
    most_new: float

    @property
    def clear_ticket(self) -> float:
        """Highest price that is no clear rise, at which any retention may still be planned."""
        return math.inf if self.loyalty is None else CLEAR_RISE * self.loyalty.usual_ticket

    def most_ticket(self, retention: float, ticket: float) -> float:
        """The highest price, up to `ticket`, at which a retention may still be planned."""
        low, high = min(self.clear_ticket, ticket), ticket
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = float(self.most_retention(np.array([middle]))[0]) >= retention
            low, high = (middle, high) if fits else (low, middle)
        return ticket if float(self.most_retention(np.array([ticket]))[0]) >= retention else low

    def most_retention(self, ticket: FloatArray) -> FloatArray:
        """(N,) at a price."""
        return np.ones_like(ticket) if self.loyalty is None else self.loyalty.most(ticket)

    def most_new_members(self, ticket: FloatArray) -> FloatArray:
        """(N,) at a price."""
        return np.where(ticket >= self.bold_ticket, self.most_new, math.inf)


def plan_capacity(
    origin: StudioOrigin, present: FloatArray, first_members: float, peak_members: float, has_staff: bool
) -> PlanCapacity:
    """The capacity of a studio.

    Args:
        origin: the studio.
        present: (7,) levers as they are; NaN where the data carry none.
        first_members: at the base month's end.
        peak_members: most members in any month with the levers as they are.
        has_staff: whether the number of staff is known.
    """
    seats, visits, ticket = origin.usual("class_capacity"), origin.usual("visits"), present[TICKET]
    attended, work = float(present[ATTENDANCE] * present[CLASSES]), _ratio(present[CLASSES], present[STAFF])
    usual_work = _ratio(origin.usual("total_classes_held"), origin.usual("staff_utilization_rate"))
    bold = BOLD_PRICE * origin.usual("avg_ticket_price")
    most_new = origin.shown.get("new_members_monthly", (0.0, math.inf))[1]
    return PlanCapacity(
        most_attended=_most(MOST_VISITS * _ratio(visits * first_members, seats) * (1 - _HAIR), attended),
        most_members=_most(_ratio(seats, visits), _ratio(peak_members, present[CLASSES])),
        most_work=_known(work) if has_staff else _most(MOST_WORK * usual_work * (1 - _HAIR), work),
        least_work=-_most(-usual_work / MOST_WORK * (1 + _HAIR), -work),
        knows_staff=has_staff and math.isfinite(work),
        loyalty=_loyalty(origin, float(present[RETENTION]), float(ticket)),
        bold_ticket=bold if bold > 0 else math.inf,
        most_new=max(most_new, float(present[NEW])) if ticket >= bold else most_new,
    )


def _ratio(amount: float, by: float) -> float:
    return float(amount / by) if by > 0 else math.nan


def _known(amount: float) -> float:
    return amount if math.isfinite(amount) else math.inf


def _most(limit: float, present: float) -> float:
    """The limit, or the present where that is beyond; infinite where either is unknown."""
    return max(limit, present) if math.isfinite(limit) and math.isfinite(present) else math.inf


def _loyalty(origin: StudioOrigin, retention: float, ticket: float) -> Loyalty | None:
    response = origin.effects.get("retention", {}).get("price")
    usual, today = origin.usual("avg_ticket_price"), origin.usual("retention_rate")
    if response is None or not usual > 0 or not 0 < today < 1 or not math.isfinite(retention):
        return None
    bare = Loyalty(usual, today, response.effect, response.standard_error)
    # More than rounding takes away, so that the present itself always fits.
    excess = retention - float(bare.most(np.array([ticket]))[0]) + _ROUNDING
    return Loyalty(usual, today, response.effect, response.standard_error, max(excess, 0.0))
