"""Request and answer of `POST /predict/inverse`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from serving.schemas.common import (
    AnswerModel,
    ClassCapacity,
    HeldLevers,
    Levers,
    Rate,
    RequestModel,
    StudioRequest,
    StudioType,
    shown_by,
)
from studio_pipeline.planning.inverse.queries import PlanQuery

LeverName = Literal[
    "retention_rate",
    "avg_ticket_price",
    "class_attendance_rate",
    "new_members_monthly",
    "staff_utilization_rate",
    "upsell_rate",
    "total_classes_held",
    "current_member_count",
]
Points = Annotated[float | None, Field(ge=0, le=1, description="Points of the rate.")]
Amount = Annotated[float | None, Field(ge=0)]
Cost = Annotated[float, Field(ge=0)]


class Constraints(RequestModel):
    """Limits of the levers' changes, and their costs. A limit that is left out is the configuration's; null
    sets none but the lever's bounds.
    """

    max_retention_increase: Points = 0.05
    max_retention_decrease: Points = None
    max_ticket_increase: Amount = Field(default=20.0, description="Currency.")
    max_ticket_decrease: Amount = Field(default=0.0, description="Currency.")
    max_attendance_increase: Points = 0.1
    max_attendance_decrease: Points = 0.1
    max_new_members_increase: Amount = Field(default=10.0, description="Members a month.")
    max_new_members_decrease: Amount = Field(default=None, description="Members a month.")
    max_staff_utilization_increase: Points = 0.05
    max_staff_utilization_decrease: Points = 0.1
    max_upsell_increase: Points = 0.05
    max_upsell_decrease: Points = 0.0
    max_classes_increase: Amount = Field(default=None, description="Left out: a fifth of the present ones.")
    max_classes_decrease: Amount = Field(default=None, description="Left out: a fifth of the present ones.")
    prioritize_low_cost_levers: bool = Field(default=True, description="Else least total relative change.")
    frozen_levers: list[LeverName] = Field(default=[], max_length=8, description="Levers to leave as is.")
    lever_costs: dict[LeverName, Cost] = Field(
        default={},
        description="Cost of one more unit of a lever for a month, in the data's currency; of retention and"
        " new members, of the effort above their response. The rest is the configuration's.",
    )

    def limits(self) -> dict[str, float | None]:
        """The limits that are stated, by name."""
        stated = self.model_fields_set - {"prioritize_low_cost_levers", "frozen_levers", "lever_costs"}
        return {name: getattr(self, name) for name in stated}


class StatedLimits(BaseModel):
    """Part of an answer's key besides the fields of its request: a limit that is left out and one that is
    null, or that is given as it would have been, are different things to ask.
    """

    limits: dict[str, float | None]


class InverseRequest(StudioRequest):
    """Levers with which a studio reaches a revenue."""

    model_config = shown_by(
        {
            "studio_id": "a00012",
            "target_revenue": 46000.0,
            "target_months": 3,
            "constraints": {"max_ticket_increase": 20.0, "frozen_levers": ["total_classes_held"]},
        }
    )

    target_revenue: float = Field(ge=0.01, le=1e15, description="To reach, in the data's currency.")
    target_months: int = Field(default=3, ge=1, le=12)
    target_kind: Literal["month", "total"] = Field(
        default="month", description="Revenue of month `target_months`, or the sum up to it."
    )
    current_state: Levers = Field(
        default=Levers.model_validate({}),
        description="Levers as they are; the rest is the mean of the studio's last three months (the member"
        " count: of the base month). A new studio needs all eight.",
    )
    constraints: Constraints = Constraints.model_validate({})
    studio_type: StudioType = None
    class_capacity: ClassCapacity = None

    def stated(self) -> StatedLimits:
        """The limits that the request states itself."""
        return StatedLimits(limits=dict(sorted(self.constraints.limits().items())))

    def to_query(self) -> PlanQuery:
        """The question to the planner."""
        return PlanQuery(
            studio_id=self.studio_id,
            target_revenue=self.target_revenue,
            base_month=self.last_known_month,
            target_months=self.target_months,
            target_kind=self.target_kind,
            current_state=self.current_state.given(),
            limits=self.constraints.limits(),
            is_least_cost=self.constraints.prioritize_low_cost_levers,
            frozen_levers=frozenset(self.constraints.frozen_levers),
            lever_costs={str(lever): cost for lever, cost in self.constraints.lever_costs.items()},
            studio_type=self.studio_type,
            class_capacity=self.class_capacity,
        )


_LEVERS: dict[str, Any] = {name: (field.annotation, ...) for name, field in Levers.model_fields.items()}

AllLevers = create_model(
    "AllLevers",
    __base__=AnswerModel,
    __doc__="All eight levers; null where the studio's data don't carry one.",
    **_LEVERS,
)


class LeverChangeAnswer(AnswerModel):
    """One lever that the plan moves, or holds against its response."""

    current: float
    recommended: float
    change_pct: float | None = Field(description="Per cent of the present; null where that is 0.")
    impact_on_revenue: float = Field(
        description="Its share of the gain, averaged over all orders of the changes; all add up to the gain."
    )
    feasibility_score: Rate = Field(
        description="1 at no change, 0 at the limit: how many of the studios' own changes went as far."
    )
    estimated_cost: Literal["low", "medium", "high"] = Field(description="By cost over what it brings.")
    cost: float = Field(description="Over the months it is held, in the data's currency.")


class ActionAnswer(AnswerModel):
    """One step of the action plan."""

    priority: int
    lever: LeverName
    action: str
    expected_impact: float = Field(description="As `impact_on_revenue`.")
    timeline_weeks: float = Field(description="Until the change holds.")


class DatedStep(AnswerModel):
    """Levers that hold from a projected month on."""

    from_month: int
    levers: HeldLevers


class BindingLimitAnswer(AnswerModel):
    """A limit that the plan stands at."""

    limit: str
    one_unit: float = Field(description="A point (0.01) of a rate, or one of money, members or classes.")
    adds_revenue: float = Field(description="What relaxing it by one unit adds, all else as planned.")


class AlternativeAnswer(AnswerModel):
    """Another plan that reaches the target by other means."""

    recommended_levers: AllLevers
    plan_cost: float
    achievable_revenue: float


class InverseAnswer(AnswerModel):
    """The plan, its proof, and what it takes; every figure comes from one release."""

    optimization_id: str
    base_month: str
    target_revenue: float
    present_revenue: float = Field(description="With every lever held as it is.")
    achievable_revenue: float = Field(description="What these levers bring in a forward answer, to the cent.")
    achievement_rate: float
    feasible: bool = Field(description="Whether that reaches the target, to the cent.")
    recommended_levers: AllLevers
    lever_changes: dict[LeverName, LeverChangeAnswer]
    action_plan: list[ActionAnswer]
    lever_plan: list[DatedStep] = Field(description="Each change after its lead time; for a forward request.")
    dated_revenue: float = Field(description="What that dated plan reaches.")
    confidence_score: Rate = Field(description="The chance of reaching the target.")
    plan_cost: float
    binding_limits: list[BindingLimitAnswer] = Field(description="The one to relax first comes first.")
    alternatives: list[AlternativeAnswer]
    model_version: str
    data_version: str
    warnings: list[str]
