"""`GET /studios`."""

from __future__ import annotations

from pydantic import Field

from serving.schemas.common import AnswerModel


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
