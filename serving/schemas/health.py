"""`GET /health`: what is really reachable now."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from serving.schemas.common import AnswerModel


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
    database: Literal["not used"] = Field(description="This version of the service keeps no tables.")
    cache: Literal["memory", "ok", "unreachable", "off"] = Field(
        description="Where answers are kept: in this process, in Redis (`ok`, or `unreachable`), or nowhere."
    )
    release: HealthRelease | None
    problem: str | None = Field(
        description="What is not as it should be, such as why the published release does not answer."
    )
