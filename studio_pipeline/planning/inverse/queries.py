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
    """An inverse query: the target revenue of a studio, and the limits of a plan that reaches it.

    Attributes:
        studio_id: the studio; it may be unknown if the present of all eight levers is given.
        target_revenue: currency, above 0.
        base_month: the last known month; None for the studio's latest.
        target_months: 1..12.
        target_kind: "month": the revenue of month `target_months`; "total": the sum up to it.
        current_state: lever to its present value; by default from the studio's last three months.
        limits: by the names of `INCREASE_LIMITS` and `DECREASE_LIMITS`, in the lever's unit; None sets no
            limit but the lever's bounds, and a missing one is taken from the configuration.
        is_least_cost: minimise the cost by the table of costs; else the total relative change.
        frozen_levers: levers that keep their present value.
        lever_costs: lever to the cost of one unit for a month, currency; by default the configuration's.
        studio_type: used for a studio without history.
        class_capacity: seats per class, used for a studio without history.
    """

    studio_id: str
    target_revenue: float
    base_month: np.datetime64 | None = None
    target_months: int = 3
    target_kind: TargetKind = "month"
    current_state: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float | None] = field(default_factory=dict)
    is_least_cost: bool = True
    frozen_levers: frozenset[str] = frozenset()
    lever_costs: Mapping[str, float] = field(default_factory=dict)
    studio_type: str | None = None
    class_capacity: float | None = None


@dataclass(frozen=True)
class LeverChange:
    """One lever that a plan changes.

    Attributes:
        change_pct: change relative to the present, per cent; None if that is 0.
        impact_on_revenue: its share of the gain, currency; all shares add up to the gain.
        feasibility_score: 1 at no change, 0 at the limit, by past changes of studios.
        estimated_cost: level of its cost relative to its gain.
        cost: over the months in which it holds, currency.
    """

    current: float
    recommended: float
    change_pct: float | None
    impact_on_revenue: float
    feasibility_score: float
    estimated_cost: CostLevel
    cost: float


@dataclass(frozen=True)
class Action:
    """One step of the action plan.

    Attributes:
        priority: from 1, the most important first.
        action: a sentence.
        expected_impact: its share of the gain, currency.
        timeline_weeks: weeks until the change holds.
    """

    priority: int
    lever: str
    action: str
    expected_impact: float
    timeline_weeks: float


@dataclass(frozen=True)
class BindingLimit:
    """A limit at which the plan stands.

    Attributes:
        one_unit: the unit by which it is relaxed.
        adds_revenue: revenue that this adds with all else as planned, currency.
    """

    limit: str
    one_unit: float
    adds_revenue: float


@dataclass(frozen=True)
class Alternative:
    """Another plan that reaches the target; the fields are those of `Plan`."""

    recommended_levers: Mapping[str, float | None]
    plan_cost: float
    achievable_revenue: float


@dataclass(frozen=True)
class Plan:
    """The answer to a `PlanQuery`; revenues in currency, to the cent.

    Attributes:
        base_month: the last known month.
        present_revenue: with every lever held at its present value.
        achievable_revenue: of a forward call with the recommended levers.
        feasible: whether that reaches the target.
        recommended_levers: all eight levers; None for one that the data don't carry.
        lever_changes: lever to its change, for levers that change.
        action_plan: actions, the largest gain first.
        lever_plan: the changes dated by their lead times.
        dated_revenue: of the dated plan.
        confidence_score: the probability of reaching the target, 0..1.
        plan_cost: of all effort over the target's months, currency.
        binding_limits: limits at which the plan stands, the one whose relaxation adds most first.
        alternatives: plans that reach the target without the main lever of the plans before.
        warnings: sentences for the user.
    """

    base_month: np.datetime64
    target_revenue: float
    present_revenue: float
    achievable_revenue: float
    feasible: bool
    recommended_levers: Mapping[str, float | None]
    lever_changes: Mapping[str, LeverChange]
    action_plan: tuple[Action, ...]
    lever_plan: tuple[LeverStep, ...]
    dated_revenue: float
    confidence_score: float
    plan_cost: float
    binding_limits: tuple[BindingLimit, ...]
    alternatives: tuple[Alternative, ...]
    warnings: tuple[str, ...]

    @property
    def achievement_rate(self) -> float:
        """Achievable revenue over the target."""
        return self.achievable_revenue / self.target_revenue
