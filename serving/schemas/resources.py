"""Answers about resources: `/studios`, `/models` and `/health`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, create_model, model_validator

from serving.schemas.common import AnswerModel, Month, RequestModel
from studio_pipeline.panel.columns import COLUMNS, NUMERIC_COLUMNS
from studio_pipeline.settings import AbMode


class StudioEntry(AnswerModel):
    """One studio of the data that the service answers from."""

    studio_id: str
    studio_type: str | None
    first_month: str
    last_month: str
    months: int = Field(description="Months with revenue between the two.")
    has_members: bool = Field(description="False: forecast from its revenue alone.")


class StudiosAnswer(AnswerModel):
    """All studios that the caller may see."""

    data_version: str
    studios: list[StudioEntry]


class HistoryRange(RequestModel):
    """Which months of a studio to answer; all by default."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_month: Month | None = Field(default=None, alias="from", description="The first month.")
    to_month: Month | None = Field(default=None, alias="to", description="The last month.")

    @model_validator(mode="after")
    def _in_order(self) -> HistoryRange:
        if self.from_month and self.to_month and self.from_month > self.to_month:
            raise ValueError("from lies after to; exchange them")
        return self


class DerivedMonth(AnswerModel):
    """Figures derived from a month's columns; null where one of them is unknown or would be divided by 0."""

    month: str
    revenue_per_member: float | None
    revenue_growth: float | None = Field(description="Revenue over that of the month before, minus 1.")
    revenue_growth_year: float | None = Field(description="Revenue over that of a year before, minus 1.")


_COLUMNS: dict[str, Any] = {
    column.name: (float | None, Field(description=f"{column.description} In {column.kind}."))
    for column in COLUMNS
    if column.name in NUMERIC_COLUMNS
}

HistoryMonth = create_model(
    "HistoryMonth",
    __base__=DerivedMonth,
    __doc__="One month of a studio as the service holds it; null where a value is unknown.",
    **_COLUMNS,
)


class HistoryAnswer(AnswerModel):
    """A studio's months from its first to its last, gaps included."""

    data_version: str
    studio_id: str
    studio_type: str | None
    months: list[HistoryMonth]


class DeletedRecordsAnswer(AnswerModel):
    """Numbers of deleted records of one studio."""

    studio_id: str
    scenarios: int = Field(description="Saved scenarios.")
    predictions: int = Field(description="Logged predictions.")


class HealthRelease(AnswerModel):
    """The release that answers."""

    version: int
    data_version: str
    last_month: str
    published_at: str


class HealthAnswer(AnswerModel):
    """The state of the service."""

    status: Literal["healthy", "degraded", "no_model"]
    model_version: str | None
    model_features: int | None = Field(description="Number of features of the model.")
    database: Literal["ok", "unreachable", "newer_schema"] = Field(description="Of the service's own tables.")
    cache: Literal["memory", "ok", "unreachable", "off"] = Field(
        description="Where answers are kept: in this process, in Redis (`ok`, or `unreachable`), or nowhere."
    )
    release: HealthRelease | None
    problem: str | None = Field(description="Why the published release does not answer, or what is away.")


class ModelEntry(AnswerModel):
    """One model bundle."""

    model_version: str
    created_at: str
    answering: bool = Field(description="Whether the service answers from it now.")
    details: dict[str, Any] = Field(description="What its run noted, such as the run id.")


class ModelsAnswer(AnswerModel):
    """All complete model bundles, oldest first."""

    models: list[ModelEntry]


class ExperimentAnswer(AnswerModel):
    """Role of the release's challenger."""

    mode: AbMode = Field(description="Nothing; answer a share of the studios; score all of them unseen.")
    challenger_share: float = Field(description="Of the studios that it answers in a split.")
    challenger_model_version: str | None = Field(description="That is asked; null where there is none.")
    challenger_metrics: dict[str, float] = Field(description="Of its own backtest.")


class CurrentModelAnswer(AnswerModel):
    """The release that answers."""

    version: int = Field(description="Number of the release.")
    model_version: str
    data_version: str
    challenger_model_version: str | None
    source: Literal["landing", "generator"] = Field(description="Real files, or generated months.")
    last_month: str
    dagster_run_id: str
    materialized_at: str
    metrics: dict[str, float]
    experiment: ExperimentAnswer
