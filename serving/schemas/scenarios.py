"""Requests and answers of `/scenarios`: saving, listing, running again and comparing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from serving.schemas.common import AnswerModel, Rate, RequestModel, shown_by
from serving.schemas.forward import ForwardAnswer, ForwardRequest, Interval

ScenarioName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
"""One line of text."""

ScenarioId = Annotated[str, Field(min_length=1, max_length=100)]


class SaveScenarioRequest(RequestModel):
    """Scenario to save: a request, which is answered now, or an earlier answer."""

    model_config = shown_by(
        {"name": "Price to 140", "request": {"studio_id": "a00012", "levers": {"avg_ticket_price": 140.0}}}
    )

    name: ScenarioName
    request: ForwardRequest | None = Field(default=None, description="A forward request.")
    scenario_id: ScenarioId | None = Field(default=None, description="Of an earlier forward answer.")

    @model_validator(mode="after")
    def _one_of_both(self) -> SaveScenarioRequest:
        if (self.request is None) is (self.scenario_id is None):
            raise ValueError("give either `request` or `scenario_id`")
        return self


class ScenarioAnswer(AnswerModel):
    """One saved scenario."""

    id: str = Field(description="The `scenario_id` of its answer; saved a second time it gets a new one.")
    name: str
    studio_id: str
    request: dict[str, Any] = Field(description="The forward request.")
    answer: dict[str, Any] = Field(description="What it was answered.")
    model_version: str
    data_version: str
    release: int = Field(description="Number of the release that answered.")
    base_month: str
    created_at: str = Field(description="When it was saved, UTC.")


class ScenariosAnswer(AnswerModel):
    """Saved scenarios, newest first."""

    scenarios: list[ScenarioAnswer] = Field(description="As many as `limit`; fewer on the last page.")
    next_cursor: str | None = Field(description="Send it as `cursor` for more; null after the last.")


class CompareScenariosRequest(RequestModel):
    """Scenarios to run on the release that answers now; differences are to the first one."""

    model_config = shown_by(
        {"scenario_ids": ["0d3c0f8e-5a6b-4c55-9d5f-3a2f4f1d7c11", "7b0e6d2a-1c9f-4b3e-8a70-5e9d2c4b6f22"]}
    )

    scenario_ids: list[ScenarioId] = Field(min_length=2, max_length=10)
    interval_level: float = Field(default=0.9, gt=0, lt=1)

    @model_validator(mode="after")
    def _differ(self) -> CompareScenariosRequest:
        if len(set(self.scenario_ids)) != len(self.scenario_ids):
            raise ValueError("name each scenario once")
        return self


class SavedFigures(AnswerModel):
    """Answer of a scenario when it was saved."""

    release: int
    model_version: str
    data_version: str
    base_month: str
    total_projected_revenue: float


class ScenarioChange(AnswerModel):
    """Changes since a scenario was saved."""

    release: bool
    model_version: bool
    data_version: bool
    base_month: bool
    shared_months: list[str] = Field(description="Months that both answers project.")
    revenue_difference: float | None = Field(description="Of those months, now less then; null without any.")


class RerunAnswer(AnswerModel):
    """A saved scenario run again; what is saved stays as it is."""

    id: str
    name: str
    answer: ForwardAnswer
    saved: SavedFigures
    changes: ScenarioChange


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
    """Probability that one scenario brings more than another, under the same errors."""

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
