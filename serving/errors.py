"""From errors to answers: `{"detail": ...}` with the fitting status and a way out, never a stack trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from serving.access import AccessDeniedError
from serving.context import store_of
from serving.schemas.common import HeldLevers, Levers
from studio_pipeline.errors import (
    BusyError,
    InputError,
    QueryError,
    ReleaseError,
    RunInProgressError,
    StorageError,
    StudioError,
    UnknownStudioError,
)

STATUSES: tuple[tuple[type[StudioError], int], ...] = (
    (UnknownStudioError, 404),
    (QueryError, 422),
    (InputError, 422),
    (ReleaseError, 503),
    (StorageError, 503),
    (BusyError, 503),
    (RunInProgressError, 409),
    (StudioError, 500),
)
"""Status of each branch of the error tree; the first one that fits counts."""


RETRY_SECONDS = "2"
"""When to ask again where too much is asked at once."""


def status_of(error: StudioError) -> int:
    """HTTP status of an error."""
    return next(status for branch, status in STATUSES if isinstance(error, branch))


def add_error_handlers(app: FastAPI) -> None:
    """Let every error of `app` leave as `{"detail": ...}`."""
    app.add_exception_handler(StudioError, _answer_studio_error)
    app.add_exception_handler(AccessDeniedError, _answer_denied)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_bug)


def _detail(status: int, detail: object, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


async def _answer_studio_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StudioError)  # noqa: S101
    headers = {"Retry-After": RETRY_SECONDS} if isinstance(error, BusyError) else None
    return _detail(status_of(error), store_of(request).shown(str(error)), headers)


async def _answer_denied(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AccessDeniedError)  # noqa: S101
    return _detail(error.status, error.detail)


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    problems = error.errors()
    if any(item["loc"] == ("body",) for item in problems) and not _says_json(request):
        return _detail(422, [NOT_SAID_TO_BE_JSON])
    # The input itself stays out: it may be huge, or a NaN that JSON can't carry.
    return _detail(422, [_field_problem(item) for item in problems])


def _says_json(request: Request) -> bool:
    """Whether the header says so; without it the body is not read as JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


NOT_SAID_TO_BE_JSON: Mapping[str, object] = {
    "loc": ["header", "content-type"],
    "msg": "The body is not read as JSON without the header Content-Type: application/json. Send that too.",
    "type": "content_type",
}


def _field_problem(item: Mapping[str, Any]) -> dict[str, object]:
    # The name of an unknown field is the sender's; it may hold what UTF-8 can't carry.
    loc = [str(part).encode("utf-8", "replace").decode()[:100] for part in item["loc"]]
    return {"loc": loc, "msg": _message(item), "type": item["type"]}


def _message(item: Mapping[str, Any]) -> str:
    """What is wrong with a field; an unknown lever is told which ones there are."""
    *way, _ = item["loc"]
    if item["type"] != "extra_forbidden" or way[-1:] != ["levers"]:
        return str(item["msg"])
    levers = HeldLevers if "lever_plan" in way else Levers
    place = " of a lever_plan" if "lever_plan" in way else ""
    return f"This is none of the levers{place}, which are {', '.join(levers.model_fields)}."


BAD_REQUEST = 400
UNREADABLE_BODY = (
    "The body can't be read. Send one JSON object in UTF-8, not nested deeply,"
    ' such as {"studio_id": "a00012"}; GET / shows its fields.'
)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = UNREADABLE_BODY if error.status_code == BAD_REQUEST else error.detail
    if error.status_code in (404, 405):
        detail = f"There is no {request.method} {request.url.path}. GET / lists what there is."
    return _detail(error.status_code, detail, dict(error.headers or {}))


async def _answer_bug(_: Request, __: Exception) -> JSONResponse:
    return _detail(500, "Something went wrong inside the service. Its log has the details; please report it.")
