"""`DELETE /studios/{studio_id}/records`."""

from __future__ import annotations

from pydantic import Field

from serving.schemas.common import AnswerModel


class DeletedRecordsAnswer(AnswerModel):
    """What was deleted of one studio."""

    studio_id: str
    scenarios: int = Field(description="Saved scenarios.")
    predictions: int = Field(description="Logged predictions.")
