"""`GET /studios` and `GET /studios/{id}/history`."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, create_model, model_validator

from serving.schemas.common import AnswerModel, Month, RequestModel
from studio_pipeline.panel.columns import COLUMNS, NUMERIC_COLUMNS


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
    """What follows from a month's columns; null where one of them is unknown or would be divided by 0."""

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
