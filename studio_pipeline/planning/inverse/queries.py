"""Inverse queries and plans as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from studio_pipeline.forecasting.base.queries import LeverStep

TargetKind = Literal["month", "total"]
CostWord = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class PlanQuery:
    """What levers have to be for a studio to reach a target.

    Attributes:
        studio_id: the studio; it may be unknown if the present of all eight levers is given.
        target_revenue: currency, above 0.
        base_month: the last known month; None for the studio's latest.
        target_months: 1..12.
        target_kind: "month": the revenue of month `target_months`; "total": the sum up to it.
        current_state: lever to its present value; the rest comes from the studio's last three months.
        limits: by the names of `INCREASE_LIMITS` and `DECREASE_LIMITS`, in the lever's unit; None sets no
            limit but the lever's bounds, and one that is not there is the configuration's.
        is_least_cost: least cost by the table of costs; else least total relative change.
        frozen_levers: levers that keep their present value.
        lever_costs: lever to the cost of one unit for a month, currency; the rest is the configuration's.
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
        current: its present value.
        recommended: its value in the plan.
        change_pct: of the present, per cent; None where that is 0.
        impact_on_revenue: its share of the gain, currency; all shares add up to the gain.
        feasibility_score: 1 at no change, 0 at the limit, by what studios have done.
        estimated_cost: by the share of what it brings that it costs.
        cost: over the months it is held, currency.
    """

    current: float
    recommended: float
    change_pct: float | None
    impact_on_revenue: float
    feasibility_score: float
    estimated_cost: CostWord
    cost: float


@dataclass(frozen=True)
class Action:
    """One step of the action plan.

    Attributes:
        priority: 1 first.
        lever: what it moves.
        action: a sentence.
        expected_impact: its share of the gain, currency.
        timeline_weeks: until it holds.
    """

    priority: int
    lever: str
    action: str
    expected_impact: float
    timeline_weeks: float


@dataclass(frozen=True)
class BindingLimit:
    """A limit that the plan stands at.

    Attributes:
        limit: its name.
        one_unit: by how much it is relaxed, in its own unit.
        adds_revenue: what revenue that adds if all else stays as planned, currency.
    """

    limit: str
    one_unit: float
    adds_revenue: float


@dataclass(frozen=True)
class Alternative:
    """Another plan that reaches the target.

    Attributes:
        recommended_levers: all eight levers; None where the data don't carry one.
        plan_cost: currency.
        achievable_revenue: as a forward call answers, to the cent.
    """

    recommended_levers: Mapping[str, float | None]
    plan_cost: float
    achievable_revenue: float


@dataclass(frozen=True)
class Plan:
    """The answer to a `PlanQuery`.

    Attributes:
        base_month: the last known month.
        target_revenue: as asked.
        present_revenue: with every lever held at its present value, to the cent.
        achievable_revenue: as a forward call with the recommended levers answers, to the cent.
        feasible: whether that reaches the target, to the cent.
        recommended_levers: all eight levers; None where the data don't carry one.
        lever_changes: lever to its change, of those that change.
        action_plan: what to do, most worth first.
        lever_plan: the changes dated by their lead times.
        dated_revenue: of the plan as dated, to the cent.
        confidence_score: the chance of reaching the target, 0..1.
        plan_cost: of all effort over the months it is held, currency.
        binding_limits: those that bind, the one that adds most first.
        alternatives: other plans that reach the target by other means.
        warnings: sentences for people.
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
