"""Forward queries and forecasts as plain data, shared by the service, the planner and the backtests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from studio_pipeline.panel.arrays import FloatArray

PlainMonths = Sequence[Sequence[float]]
"""Revenue, members and retention of one month after the other; the last two are NaN where the data carry
none.
"""


@dataclass(frozen=True)
class LeverStep:
    """Levers that hold from a projected month on.

    Attributes:
        from_month: 1 for the month after the base month, up to the horizon.
        levers: lever name to value, in the lever's own unit.
    """

    from_month: int
    levers: Mapping[str, float]


@dataclass(frozen=True)
class ForwardQuery:
    """One forward prediction.

    Attributes:
        studio_id: the studio; it may be unknown if all eight levers are given.
        base_month: the last known month; None for the studio's latest.
        projection_months: 1..12.
        levers: the given levers, held over the projected months; a lever that is not there stays free.
        lever_plan: later changes of levers.
        interval_levels: coverage of each interval asked for, 0 < level < 1; the first is the main one.
        studio_type: used for a studio without history.
        class_capacity: seats per class, used for a studio without history.
        compare_to_status_quo: also answer the difference to the forecast with every lever free.
        execution_uncertainty: 0..0.5, relative standard deviation with which each given lever is carried out,
            of a rate's odds; it widens what the answer says of revenue. 0: exactly as given.
    """

    studio_id: str
    base_month: np.datetime64 | None = None
    projection_months: int = 3
    levers: Mapping[str, float] = field(default_factory=dict)
    lever_plan: tuple[LeverStep, ...] = ()
    interval_levels: tuple[float, ...] = (0.9,)
    studio_type: str | None = None
    class_capacity: float | None = None
    compare_to_status_quo: bool = False
    execution_uncertainty: float = 0.0


@dataclass(frozen=True)
class LeverEffect:
    """How one lever acts on members' behaviour, and what that figure rests on.

    Attributes:
        source: "data" (this studio's and the panel's own months), "pooled" (other studios') or "prior".
        effect: elasticity or slope, as documented with the responses.
        standard_error: of the effect, same unit.
        estimate: what the months alone say, whether or not it is used; None where they say nothing.
    """

    source: str
    effect: float
    standard_error: float
    estimate: float | None = None


@dataclass(frozen=True)
class StatusQuo:
    """The same studio with every lever free.

    Attributes:
        total_projected_revenue: currency, over the projected months.
        difference: what the given levers add to it, currency.
        difference_interval: of the difference, at the main level, currency.
    """

    total_projected_revenue: float
    difference: float
    difference_interval: tuple[float, float]


@dataclass(frozen=True)
class Deviations:
    """How uncertain the revenue of an answer over h months is, for sums with other answers.

    Attributes:
        scale: (h,) deviation of the log error, given levers carried out exactly.
        common: (h,) of the part of it that hits all studios alike.
        execution: of each of J levers, (h,) what carrying it out one deviation off moves, currency.
    """

    scale: Sequence[float]
    common: Sequence[float]
    execution: Sequence[FloatArray]


@dataclass(frozen=True)
class Forecast:
    """The answer to a `ForwardQuery`; H is its `projection_months`.

    It is kept as plain numbers, which is how it is made and written; arrays are made as they are asked for.

    Attributes:
        studio_id: the studio asked for.
        base_month: the last known month, datetime64[M].
        history_months: months of the studio up to the base month.
        months: of each of H months the revenue, members and retention of the arrays below.
        bounds: level to (lower, upper) revenue of each of H months.
        chances: of each of H months, that it lands within 10 % of its revenue.
        total_intervals: level to the (lower, upper) of the sum over the projected months.
        prediction_accuracy: 1 - WAPE of this model version in backtests over these horizons.
        lever_effects: lever to the response it rests on.
        status_quo: only where it was asked for.
        warnings: sentences for people.
        deviations: what intervals of sums with other answers are made of.
    """

    studio_id: str
    base_month: np.datetime64
    history_months: int
    months: PlainMonths
    bounds: Mapping[float, Sequence[Sequence[float]]]
    chances: Sequence[float]
    total_intervals: Mapping[float, tuple[float, float]]
    prediction_accuracy: float
    lever_effects: Mapping[str, LeverEffect]
    warnings: tuple[str, ...]
    status_quo: StatusQuo | None = None
    deviations: Deviations | None = None

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
        """(H,) members at each month's end; NaN for a studio whose data carry no members."""
        return np.array([month[1] for month in self.months])

    @cached_property
    def retention_rate(self) -> FloatArray:
        """(H,) 0..1; NaN for a studio whose data carry none."""
        return np.array([month[2] for month in self.months])

    @cached_property
    def intervals(self) -> Mapping[float, FloatArray]:
        """Level to an (H, 2) array of lower and upper revenue."""
        return {level: np.array(bounds) for level, bounds in self.bounds.items()}

    @cached_property
    def confidence_score(self) -> FloatArray:
        """(H,) chance that the month lands within 10 % of `revenue`."""
        return np.array(self.chances)
