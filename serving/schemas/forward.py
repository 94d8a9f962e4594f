"""Requests and answers of `POST /predict/forward` and `POST /predict/forward/batch`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WrapValidator, field_validator

from serving.schemas.common import (
    AnswerModel,
    ClassCapacity,
    FieldProblem,
    HeldLevers,
    Levers,
    Rate,
    RequestModel,
    StudioRequest,
    StudioType,
    shown_by,
)
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep

Level = Annotated[float, Field(gt=0, lt=1)]
Interval = tuple[float, float]
Source = Literal["data", "pooled", "prior"]


def level_key(level: float) -> str:
    """The key of an interval level in an answer: six digits at most."""
    return f"{level:g}"


LEVELS_WITHOUT_INTERVALS = (
    "interval_levels are given, but no intervals are asked for: set include_confidence_intervals."
)


class PlanStep(RequestModel):
    """Levers that hold from a projected month on."""

    from_month: int = Field(ge=1, le=12, description="1 is the month after the base month.")
    levers: HeldLevers


class ForwardRequest(StudioRequest):
    """Forecast of a studio's next months, with some levers given and the others free."""

    model_config = shown_by(
        {
            "studio_id": "a00012",
            "projection_months": 3,
            "include_confidence_intervals": True,
            "levers": {"avg_ticket_price": 150.0},
            "lever_plan": [{"from_month": 2, "levers": {"avg_ticket_price": 159.0}}],
            "compare_to_status_quo": True,
        }
    )

    projection_months: int = Field(default=3, ge=1, le=12)
    include_confidence_intervals: bool = False
    interval_levels: list[Level] = Field(
        # A list as the default would be copied deeply for each request.
        default_factory=lambda: [0.9],
        json_schema_extra={"default": [0.9]},
        min_length=1,
        max_length=10,
        description="Coverage, first main.",
    )
    levers: Levers = Levers.model_validate({})
    lever_plan: list[PlanStep] = Field(
        default_factory=list,
        json_schema_extra={"default": []},
        max_length=100,
        description="Later changes of levers.",
    )
    compare_to_status_quo: bool = False
    execution_uncertainty: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="How exactly given levers are carried out: relative standard deviation of each (0.1: a"
        " price of 150 ends up at 150 give or take 15; of a rate, its odds). Widens the intervals, those of"
        " the total and of the difference to the status quo; 0 takes levers as carried out exactly.",
    )
    studio_type: StudioType = None
    class_capacity: ClassCapacity = None

    @field_validator("interval_levels")
    @classmethod
    def _levels_differ(cls, levels: list[float]) -> list[float]:
        if len({level_key(level) for level in levels}) != len(levels):
            raise ValueError("name each level once, at six digits")
        return levels

    def warnings(self) -> list[str]:
        """Fields that were given and have no part in the answer."""
        used = self.include_confidence_intervals or self.compare_to_status_quo
        return [] if used or self.interval_levels == [0.9] else [LEVELS_WITHOUT_INTERVALS]

    def to_query(self) -> ForwardQuery:
        """The question to the model."""
        return ForwardQuery(
            studio_id=self.studio_id,
            base_month=self.last_known_month,
            projection_months=self.projection_months,
            levers=self.levers.given(),
            lever_plan=tuple(LeverStep(step.from_month, step.levers.given()) for step in self.lever_plan),
            interval_levels=tuple(self.interval_levels),
            studio_type=self.studio_type,
            class_capacity=self.class_capacity,
            compare_to_status_quo=self.compare_to_status_quo,
            execution_uncertainty=self.execution_uncertainty,
        )


class MonthAnswer(AnswerModel):
    """One projected month."""

    revenue: float = Field(description="Mean of the predictive distribution, in the data's currency.")
    member_count: float | None = Field(description="Members at the month's end; null for revenue-only data.")
    retention_rate: Rate | None
    confidence_interval: Interval | None = Field(description="Of revenue at `interval_level`, if asked for.")
    intervals: dict[str, Interval] = Field(description="By level; empty if not asked for.")
    confidence_score: Rate = Field(description="The chance that the month lands within 10 % of `revenue`.")


class StatusQuoAnswer(AnswerModel):
    """The same studio with every lever free."""

    total_projected_revenue: float
    difference: float = Field(description="What the given levers add, in the data's currency.")
    difference_interval: Interval


class LeverEffectAnswer(AnswerModel):
    """Effect of a lever on retention, and the main source of that figure."""

    source: Source = Field(description="Main basis: the studio's own months, other studios', or the prior.")
    effect: float = Field(
        description="Change of the log odds of a month's retention: for `avg_ticket_price` per unit of its"
        " natural logarithm (-1.1: a price 10 % up lowers them by 0.105), for rates per 1 of the rate (-2: 5"
        " points more lower them by 0.1); of staff utilisation only what is above a comfortable rate counts."
    )
    standard_error: float = Field(ge=0, description="Of `effect`, in the same unit.")
    shares: dict[Source, float] = Field(description="Of each source in the figure, 0..1; they add up to 1.")


class ForwardAnswer(AnswerModel):
    """The projected months; every figure comes from one release."""

    scenario_id: str
    model_version: str
    data_version: str
    base_month: str
    history_months: int = Field(description="Months of the studio up to the base month; 0 for a new one.")
    predictions: dict[str, MonthAnswer] = Field(description="`month_1` to `month_12`.")
    growth_rate: float = Field(description="Last projected month over the first, minus 1.")
    total_projected_revenue: float
    total_confidence_interval: Interval | None
    interval_level: float
    prediction_accuracy: float | None = Field(description="1 - WAPE of the model in backtests so far ahead.")
    lever_effects: dict[str, LeverEffectAnswer] = Field(description="Effect on retention, where it is known.")
    warnings: list[str]
    status_quo: StatusQuoAnswer | None = Field(default=None, description="Only with `compare_to_status_quo`.")


MOST_REQUESTS = 1000

CheckedLater = Annotated[ForwardRequest, WrapValidator(lambda value, _: value)]
"""Documented as a forward request and accepted as any JSON: an invalid one must not refuse the others."""


class BatchRequest(RequestModel):
    """Forward requests that are answered each by itself, and together where that is asked for."""

    model_config = shown_by(
        {
            "requests": [{"studio_id": "a00012"}, {"studio_id": "a00013", "projection_months": 6}],
            "aggregate": True,
        }
    )

    requests: list[CheckedLater] = Field(max_length=MOST_REQUESTS)
    aggregate: bool = Field(default=False, description="Also answer the sum over all that can be answered.")
    interval_level: float = Field(default=0.9, gt=0, le=0.99, description="Coverage of the sum's intervals.")


class Refusal(AnswerModel):
    """Reason for which one request of a batch has no answer."""

    status: int = Field(description="What the request alone would be answered with.")
    detail: str | list[FieldProblem]


class RefusedAnswer(AnswerModel):
    """Stands in the place of an answer."""

    error: Refusal


class AggregateMonth(AnswerModel):
    """The sum over the answers that project a calendar month."""

    month: str
    answers: int = Field(description="How many answers project this month.")
    revenue: float = Field(description="Sum of their means, in the data's currency.")
    confidence_interval: Interval


class AggregateAnswer(AnswerModel):
    """The sum over all answers of a batch, by calendar month and in all. Studios miss by themselves and with
    the market: the intervals are those of joint draws, so narrower than the sum of the answers' own. A studio
    that is asked about twice counts twice, with the same errors in both answers.
    """

    answers: int = Field(description="How many answers are summed: all requests that are not refused.")
    studios: int = Field(description="How many different studios they are of.")
    interval_level: float
    months: list[AggregateMonth]
    total_projected_revenue: float = Field(description="Sum of the answers' `total_projected_revenue`.")
    total_confidence_interval: Interval
    warnings: list[str]


class BatchAnswer(AnswerModel):
    """The answers, in the order of the requests."""

    responses: list[ForwardAnswer | RefusedAnswer]
    aggregate: AggregateAnswer | None = Field(
        default=None, description="Only with `aggregate`; null where no request could be answered."
    )
