"""Forward queries and forecasts as plain data, shared by the service, the planner and the backtests.

Only data classes belong here; bounds of levers are checked in `bounds`, queries are answered by `forecaster`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from studio_pipeline.panel.arrays import FloatArray

PlainMonths = Sequence[Sequence[float]]
"""Revenue, members and retention of each month; the last two are NaN where the data lack them."""


@dataclass(frozen=True)
class LeverStep:
    """Levers set from a projected month on."""

    from_month: int  # 1 for the month after the base month, up to the horizon
    levers: Mapping[str, float]  # lever name to value, in the lever's own unit


@dataclass(frozen=True)
class ForwardQuery:
    """One forward prediction."""

    studio_id: str  # the studio; it may be unknown if all eight levers are given
    base_month: np.datetime64 | None = None  # the last known month; None for the studio's latest
    projection_months: int = 3  # 1..12
    levers: Mapping[str, float] = field(default_factory=dict)  # held over the projected months; the rest free
    lever_plan: tuple[LeverStep, ...] = ()  # later changes of levers
    interval_levels: tuple[float, ...] = (0.9,)  # coverages, 0 < level < 1; the first is the main one
    studio_type: str | None = None  # used for a studio without history
    class_capacity: float | None = None  # seats per class, used for a studio without history
    compare_to_status_quo: bool = False  # also compute the difference to the forecast with every lever free
    # 0..0.5, relative standard deviation with which each given lever is carried out, of a rate's odds; it
    # widens the revenue intervals. 0: exactly as given.
    execution_uncertainty: float = 0.0


@dataclass(frozen=True)
class LeverEffect:
    """Posterior of one lever's effect on members' behaviour, and what it rests on."""

    effect: float  # mean elasticity or slope, as documented with the responses
    standard_error: float  # standard deviation of the posterior, same unit
    studio_share: float = 0.0  # of this studio's own months in the posterior, 0..1
    others_share: float = 0.0  # of the other studios' months, 0..1; the rest is the prior's
    estimate: float | None = None  # from the months alone; None where they allow none

    @property
    def prior_share(self) -> float:
        """Share of the prior, 0..1."""
        return max(1.0 - self.studio_share - self.others_share, 0.0)

    # These two are read several times in every answer, of effects that last as long as the model.
    @cached_property
    def shares(self) -> Mapping[str, float]:
        """Share by source: "data" (this studio's months), "pooled" (other studios') and "prior"."""
        return {"data": self.studio_share, "pooled": self.others_share, "prior": self.prior_share}

    @cached_property
    def source(self) -> str:
        """The source of the largest share; of equal ones the prior, then the studio's own months."""
        return max(("prior", "data", "pooled"), key=self.shares.__getitem__)

    def taken_as_none(self) -> LeverEffect:
        """The effect where members don't follow from retention and new members: 0, its error no smaller."""
        return LeverEffect(0.0, math.hypot(self.effect, self.standard_error))


@dataclass(frozen=True)
class StatusQuo:
    """Forecast of the same studio with every lever free, for comparison."""

    total_projected_revenue: float  # currency, over the projected months
    difference: float  # revenue with the given levers minus this total, currency
    difference_interval: tuple[float, float]  # interval of the difference at the main level, currency


@dataclass(frozen=True)
class Deviations:
    """Error components of an answer's revenue over h months, for intervals of sums with other answers."""

    scale: Sequence[float]  # (h,) standard deviation of the log error, given levers carried out exactly
    common: Sequence[float]  # (h,) standard deviation of its part that is common to all studios
    execution: Sequence[FloatArray]  # of each lever, (h,) change of revenue one deviation off, currency


@dataclass(frozen=True)
class Forecast:
    """The answer to a `ForwardQuery`; H is its `projection_months`.

    Stored as plain numbers, the form in which it is computed and serialised; arrays are created on first use.
    """

    studio_id: str  # the requested studio
    base_month: np.datetime64  # the last known month, datetime64[M]
    history_months: int  # months of the studio up to the base month
    months: PlainMonths  # revenue, members and retention of each of H months
    bounds: Mapping[float, Sequence[Sequence[float]]]  # level to (lower, upper) revenue of each of H months
    chances: Sequence[float]  # of each of H months, probability of revenue within 10 % of the forecast
    total_intervals: Mapping[float, tuple[float, float]]  # level to (lower, upper) of the sum over the months
    prediction_accuracy: float  # 1 - WAPE of this model version in backtests over these horizons
    lever_effects: Mapping[str, LeverEffect]  # lever to the response that its projection uses
    warnings: tuple[str, ...]  # sentences for people
    status_quo: StatusQuo | None = None  # only if requested
    deviations: Deviations | None = None  # error components for intervals of sums with other answers

    @property
    def total_revenue(self) -> float:
        """Mean revenue over all projected months, currency."""
        return float(sum([month[0] for month in self.months]))

    @property
    def growth_rate(self) -> float:
        """Last projected month over the first, minus 1; 0 where the first is 0."""
        first, last = self.months[0][0], self.months[-1][0]
        return last / first - 1 if first > 0 else 0.0

    @cached_property
    def revenue(self) -> FloatArray:
        """(H,) mean of the predictive distribution, currency."""
        return np.array([month[0] for month in self.months])

    @cached_property
    def member_count(self) -> FloatArray:
        """(H,) members at each month's end; NaN for a studio whose data lack members."""
        return np.array([month[1] for month in self.months])

    @cached_property
    def retention_rate(self) -> FloatArray:
        """(H,) 0..1; NaN for a studio whose data lack it."""
        return np.array([month[2] for month in self.months])

    @cached_property
    def intervals(self) -> Mapping[float, FloatArray]:
        """Level to an (H, 2) array of lower and upper revenue."""
        return {level: np.array(bounds) for level, bounds in self.bounds.items()}

    @cached_property
    def confidence_score(self) -> FloatArray:
        """(H,) probability, 0..1, that a month's actual revenue is within 10 % of `revenue`."""
        return np.array(self.chances)
