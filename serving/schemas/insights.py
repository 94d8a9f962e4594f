"""Request and answer of `POST /insights`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from serving.schemas.common import AnswerModel, Rate, StudioRequest, shown_by
from serving.schemas.forward import Interval, Source
from studio_pipeline.forecasting.base.queries import ForwardQuery


class InsightsRequest(StudioRequest):
    """Drivers of a studio's revenue, and steps that would change it."""

    model_config = shown_by({"studio_id": "a00012", "projection_months": 6})

    projection_months: int = Field(default=3, ge=1, le=12)
    scenario_id: str | None = Field(
        default=None, max_length=100, description="Of a saved one of the studio, with its own months."
    )

    @model_validator(mode="after")
    def _scenario_says_which_months(self) -> Self:
        if self.scenario_id is not None and self.model_fields_set & {"base_month", "projection_months"}:
            raise ValueError("leave base_month and projection_months out: the scenario has its own")
        return self

    def to_query(self) -> ForwardQuery:
        """The question to the model."""
        return ForwardQuery(
            studio_id=self.studio_id,
            base_month=self.last_known_month,
            projection_months=self.projection_months,
        )


class DriverAnswer(AnswerModel):
    """One part of the change of revenue."""

    name: str = Field(
        description="`members_in`, `members_out`, `price` (membership revenue a member), `mix` (all other"
        " revenue a member), `season`, `model_correction` (what the ensemble makes of the core);"
        " `starting_members` where that lever is given, `members` where it isn't known who came and went,"
        " `level` where there are no members."
    )
    amount: float = Field(description="In the data's currency; all add up to `change`.")
    share: float | None = Field(description="Of the change, signed: all add up to 1. Null without a change.")


class RecommendationAnswer(AnswerModel):
    """One step of one lever, beside the same lever held where it is; its cost is not counted."""

    lever: str
    action: str
    current: float = Field(description="Mean of the last three months, or what the scenario gives.")
    proposed: float
    gain: float = Field(description="Revenue over the projected months, in the data's currency.")
    gain_interval: Interval
    chance_of_gain: Rate
    clears_zero: bool = Field(description="Whether the whole interval lies above 0.")
    effect_source: Source | None = Field(description="What members' response to it rests on, if it is known.")


class GivenLeverAnswer(AnswerModel):
    """A lever that the scenario gives."""

    lever: str
    from_month: int
    current: float | None
    given: float
    effect_source: Source | None


class FactsAnswer(AnswerModel):
    """The figures that the text is made of; months are their first day."""

    base_month: str
    month: str = Field(description="The last projected month, which revenue, members and drivers are of.")
    projection_months: int
    history_months: int
    revenue_then: float = Field(description="Of the base month.")
    revenue: float
    interval: Interval
    interval_level: float
    change: float
    growth: float | None = Field(description="The change over `revenue_then`; null where that is 0.")
    total_revenue: float = Field(description="Over all projected months.")
    total_interval: Interval
    members_then: float | None
    members: float | None
    joined: float | None = Field(description="Members who join up to the month, by the core.")
    left: float | None = Field(description="Members who leave up to the month, by the core.")
    usual_error: float | None = Field(description="WAPE of the model in backtests over these months.")
    levers: list[GivenLeverAnswer]
    gain_of_levers: float | None = Field(description="Beside no levers, over all projected months.")
    gain_interval: Interval | None


class InsightsAnswer(AnswerModel):
    """Facts of a forecast, and what they say."""

    studio_id: str
    scenario_id: str | None
    model_version: str
    data_version: str
    summary: str = Field(description="Every number in it is one of the figures beside it.")
    source: str = Field(description="Who wrote the summary: `template`, or `openai:` and the model.")
    drivers: list[DriverAnswer]
    recommendations: list[RecommendationAnswer] = Field(description="The largest gain first.")
    facts: FactsAnswer
    warnings: list[str]
