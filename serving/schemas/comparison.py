"""`POST /scenarios/compare`: the answer."""

from __future__ import annotations

from pydantic import Field

from serving.schemas.common import AnswerModel, Rate

Interval = tuple[float, float]


class ComparedMonth(AnswerModel):
    """One month of one scenario."""

    month: str
    revenue: float = Field(description="Mean of the predictive distribution, in the data's currency.")
    confidence_interval: Interval
    member_count: float | None = Field(description="Members at the month's end; null for revenue-only data.")
    difference: float = Field(description="Revenue less that of the first scenario.")
    difference_interval: Interval


class ComparedScenario(AnswerModel):
    """One scenario over the months that all of them share."""

    scenario_id: str
    name: str
    studio_id: str
    base_month: str
    months: list[ComparedMonth]
    total_revenue: float
    total_confidence_interval: Interval
    total_difference: float = Field(description="The total less that of the first scenario.")
    total_difference_interval: Interval
    warnings: list[str]


class ScenarioChance(AnswerModel):
    """How often one scenario brings more than another, both living through the same events."""

    scenario_id: str
    other_scenario_id: str
    chance: Rate = Field(description="That the total is above the other's; a tie counts half.")
    month_chances: list[Rate] = Field(description="The same of each month.")


class ComparisonAnswer(AnswerModel):
    """Scenarios side by side, all answered from one release."""

    model_version: str
    data_version: str
    interval_level: float
    months: list[str] = Field(description="The calendar months that all scenarios project.")
    scenarios: list[ComparedScenario] = Field(description="As asked for; differences are to the first one.")
    chances: list[ScenarioChance] = Field(description="Every scenario beside every other.")
    warnings: list[str]
