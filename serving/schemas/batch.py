"""`POST /predict/forward/batch`: many requests at once, and their sum."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WrapValidator

from serving.schemas.common import AnswerModel, FieldProblem, RequestModel, shown_by
from serving.schemas.forward import ForwardAnswer, ForwardRequest, Interval

MOST_REQUESTS = 1000


CheckedLater = Annotated[ForwardRequest, WrapValidator(lambda value, _: value)]
"""Documented as a forward request, but any JSON as it stands: a wrong one must not refuse the others."""


class BatchRequest(RequestModel):
    """Forward requests that are answered each by itself, and together where that is asked for."""

    model_config = shown_by(
        {
            "requests": [{"studio_id": "a00012"}, {"studio_id": "a00013", "projection_months": 6}],
            "aggregate": True,
        }
    )

    requests: list[CheckedLater] = Field(max_length=MOST_REQUESTS)
    aggregate: bool = Field(default=False, description="Also answer the sum over all that can be answered.")
    interval_level: float = Field(
        default=0.9, gt=0, le=0.99, description="Coverage of the intervals of the sum."
    )


class Refusal(AnswerModel):
    """Why one request of a batch has no answer."""

    status: int = Field(description="What the request alone would be answered with.")
    detail: str | list[FieldProblem]


class RefusedAnswer(AnswerModel):
    """Stands in the place of an answer."""

    error: Refusal


class AggregateMonth(AnswerModel):
    """The sum over the answers that project a calendar month."""

    month: str
    answers: int = Field(description="How many answers project this month.")
    revenue: float = Field(description="Sum of their means, in the data's currency.")
    confidence_interval: Interval


class AggregateAnswer(AnswerModel):
    """The sum over all answers of a batch, by calendar month and in all. Studios miss by themselves and with
    the market: the intervals are those of joint draws, so narrower than the sum of the answers' own. A studio
    that is asked about twice counts twice, with the same errors in both answers.
    """

    answers: int = Field(description="How many answers are summed: all requests that are not refused.")
    studios: int = Field(description="How many different studios they are of.")
    interval_level: float
    months: list[AggregateMonth]
    total_projected_revenue: float = Field(description="Sum of the answers' `total_projected_revenue`.")
    total_confidence_interval: Interval
    warnings: list[str]


class BatchAnswer(AnswerModel):
    """The answers, in the order of the requests."""

    responses: list[ForwardAnswer | RefusedAnswer]
    aggregate: AggregateAnswer | None = Field(
        default=None, description="Only with `aggregate`; null where no request could be answered."
    )
