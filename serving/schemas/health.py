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
    database: Literal["ok", "unreachable", "newer_schema"] = Field(
        description="Whether the service's own tables can be used; predictions need none."
    )
    cache: Literal["memory", "ok", "unreachable", "off"] = Field(
        description="Where answers are kept: in this process, in Redis (`ok`, or `unreachable`), or nowhere."
    )
    release: HealthRelease | None
    problem: str | None = Field(
        description="Why the published release is not the one that answers, and what is out of reach."
    )
