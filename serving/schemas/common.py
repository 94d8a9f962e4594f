"""Common parts of all requests and answers: strict models, months, levers, and the form of an error."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_MONTH = re.compile(r"(\d{4})-(\d{2})(-01)?")


class RequestModel(BaseModel):
    """A request: unknown fields, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def shown_by(example: dict[str, Any]) -> ConfigDict:
    """The configuration of a model that the OpenAPI document shows by an example."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class AnswerModel(BaseModel):
    """An answer, as the OpenAPI document shows it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _parse_month(value: object) -> object:
    if isinstance(value, date):
        return value
    match = _MONTH.fullmatch(value) if isinstance(value, str) else None
    if match is None or not (1 <= int(match[2]) <= 12 and int(match[1])):
        raise ValueError("write a month as its first day, such as 2024-01-01")
    return date(int(match[1]), int(match[2]), 1)


Month = Annotated[date, BeforeValidator(_parse_month)]
"""A calendar month, written as its first day."""

Rate = Annotated[float, Field(ge=0, le=1)]
StudioId = Annotated[str, Field(min_length=1, max_length=200, examples=["a00012"])]
StudioType = Annotated[str | None, Field(max_length=100, description="For a studio without history.")]
ClassCapacity = Annotated[float | None, Field(gt=0, le=100_000, description="Seats of a new studio.")]


class StudioRequest(RequestModel):
    """A question about one studio as of a month."""

    studio_id: StudioId
    base_month: Month | None = Field(default=None, description="The last known one; the latest by default.")

    @property
    def last_known_month(self) -> np.datetime64 | None:
        """The base month as the models take it."""
        return None if self.base_month is None else np.datetime64(self.base_month, "M")


class HeldLevers(RequestModel):
    """The levers that can be held over projected months; one that is absent or null stays free."""

    retention_rate: Rate | None = Field(default=None, description="Members who stay / members before.")
    avg_ticket_price: float | None = Field(
        default=None, ge=0, description="Membership revenue per member and month, in the data's currency."
    )
    class_attendance_rate: Rate | None = Field(default=None, description="Attendance / (classes x seats).")
    new_members_monthly: float | None = Field(default=None, ge=0, description="Members who join in a month.")
    staff_utilization_rate: Rate | None = Field(default=None, description="Hours with clients / hours paid.")
    upsell_rate: Rate | None = Field(default=None, description="Members who bought an extra / members.")
    total_classes_held: float | None = Field(default=None, ge=0, description="Classes held in a month.")

    def given(self) -> dict[str, float]:
        """The levers that are given, by name."""
        return {name: value for name, value in self.__dict__.items() if value is not None}


class Levers(HeldLevers):
    """All eight levers; `current_member_count` is a starting point and is not held."""

    current_member_count: float | None = Field(default=None, ge=0, description="At the base month's end.")


class FieldProblem(BaseModel):
    """One field of a request that can't be taken as it is."""

    loc: list[str]
    msg: str
    type: str


class Problem(BaseModel):
    """Every error: what happened and what to do about it."""

    detail: str | list[FieldProblem]


MEANINGS = {
    400: "A body that can't be read: no UTF-8, or nested too deeply.",
    401: "No valid API key.",
    403: "From elsewhere where no keys are set, or a studio that the key does not open.",
    404: "There is no such studio (one without history needs all eight levers), or nothing of this id.",
    408: "The body did not arrive in time.",
    413: "The body is larger than 2 MiB.",
    415: "The body is compressed or encoded.",
    422: "A body that is no JSON, or a field that can't be taken: unknown, of the wrong type, out of bounds,"
    " or not in the data.",
    429: "More requests than STUDIO_RATE_LIMIT allows; the header Retry-After says when to ask again.",
    500: "A bug in the service; its log has the details.",
    503: "No release is there to answer from, the database is away, or the answer took too long; the detail"
    " says what to do.",
}

NOT_FOUND: dict[int | str, dict[str, object]] = {404: {"model": Problem, "description": MEANINGS[404]}}
"""The entry of the OpenAPI document for a route that may find nothing; `openapi` adds all other errors."""
