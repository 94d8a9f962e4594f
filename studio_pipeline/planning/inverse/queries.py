"""Inverse queries and plans as plain data, shared by the planner and the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from studio_pipeline.forecasting.base.queries import LeverStep

TargetKind = Literal["month", "total"]
CostLevel = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class PlanQuery:
    """An inverse query: the target revenue of a studio, and the limits of a plan that reaches it."""

    studio_id: str  # may be unknown if the present of all eight levers is given
    target_revenue: float  # currency, above 0
    base_month: np.datetime64 | None = None  # the last known month; None for the studio's latest
    target_months: int = 3  # 1..12
    target_kind: TargetKind = "month"  # "month": revenue of month `target_months`; "total": the sum up to it
    # Lever to its present value; by default from the studio's last three months.
    current_state: Mapping[str, float] = field(default_factory=dict)
    # By the names of `INCREASE_LIMITS` and `DECREASE_LIMITS`, in the lever's unit; None sets no limit but the
    # lever's bounds, and a missing one is taken from the configuration.
    limits: Mapping[str, float | None] = field(default_factory=dict)
    is_least_cost: bool = True  # minimise the cost by the table of costs; else the total relative change
    frozen_levers: frozenset[str] = frozenset()  # levers that keep their present value
    # Lever to the cost of one unit for a month, currency; by default the configuration's.
    lever_costs: Mapping[str, float] = field(default_factory=dict)
    studio_type: str | None = None  # used for a studio without history
    class_capacity: float | None = None  # the same; seats per class


@dataclass(frozen=True)
class LeverChange:
    """One lever that a plan changes."""

    current: float
    recommended: float
    change_pct: float | None  # change relative to the present, per cent; None if that is 0
    impact_on_revenue: float  # its share of the gain, currency; all shares add up to the gain
    feasibility_score: float  # 1 at no change, 0 at the limit, by past changes of studios
    estimated_cost: CostLevel  # level of its cost relative to its gain
    cost: float  # over the months in which it holds, currency


@dataclass(frozen=True)
class Action:
    """One step of the action plan."""

    priority: int  # from 1, the most important first
    lever: str
    action: str
    expected_impact: float  # its share of the gain, currency
    timeline_weeks: float  # weeks until the change holds


@dataclass(frozen=True)
class BindingLimit:
    """A limit at which the plan stands."""

    limit: str
    one_unit: float  # the unit by which it is relaxed
    adds_revenue: float  # revenue that this adds with all else as planned, currency


@dataclass(frozen=True)
class Alternative:
    """Another plan that reaches the target; the fields are those of `Plan`."""

    recommended_levers: Mapping[str, float | None]
    plan_cost: float
    achievable_revenue: float


@dataclass(frozen=True)
class Plan:
    """The answer to a `PlanQuery`; revenues in currency, to the cent."""

    base_month: np.datetime64
    target_revenue: float
    present_revenue: float  # with every lever held at its present value
    achievable_revenue: float  # of a forward call with the recommended levers
    feasible: bool  # whether that reaches the target
    recommended_levers: Mapping[str, float | None]  # all eight levers; None for one that the data don't carry
    lever_changes: Mapping[str, LeverChange]
    action_plan: tuple[Action, ...]  # the largest gain first
    lever_plan: tuple[LeverStep, ...]  # the changes dated by their lead times
    dated_revenue: float
    confidence_score: float  # the probability of reaching the target, 0..1
    plan_cost: float  # of all effort over the target's months, currency
    binding_limits: tuple[BindingLimit, ...]  # the one whose relaxation adds most first
    alternatives: tuple[Alternative, ...]  # that reach the target without the main lever of those before
    warnings: tuple[str, ...]

    @property
    def achievement_rate(self) -> float:
        """Achievable revenue over the target."""
        return self.achievable_revenue / self.target_revenue
