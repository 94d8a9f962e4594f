"""`GET /models` and `GET /models/current`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from serving.schemas.common import AnswerModel
from studio_pipeline.settings import AbMode


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
    """What the release's challenger does."""

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
