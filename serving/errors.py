"""From errors to answers: `{"detail": ...}` with the fitting status and a way out, never a stack trace."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.context import store_of
from serving.guards.access import AccessDeniedError
from serving.guards.exchanges import exchange_of
from serving.guards.rate_limits import RateLimitedError
from serving.guards.refusals import field_problems
from serving.route_names import methods_on
from studio_pipeline.errors import (
    BusyError,
    DatabaseError,
    InputError,
    QueryError,
    ReleaseError,
    RunInProgressError,
    StorageError,
    StudioError,
    UnknownScenarioError,
    UnknownStudioError,
)

logger = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[StudioError], int], ...] = (
    (UnknownStudioError, 404),
    (UnknownScenarioError, 404),
    (QueryError, 422),
    (InputError, 422),
    (ReleaseError, 503),
    (StorageError, 503),
    (DatabaseError, 503),
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
    app.add_exception_handler(RateLimitedError, _answer_limited)
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


async def _answer_limited(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RateLimitedError)  # noqa: S101
    return _detail(429, error.detail, error.headers)


async def answer_refusal(request: Request, refusal: StudioError | AccessDeniedError) -> JSONResponse:
    """The answer to a request that is refused for what it asks."""
    if isinstance(refusal, StudioError):
        return await _answer_studio_error(request, refusal)
    return await _answer_denied(request, refusal)


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    problems = error.errors()
    if any(item["loc"] == ("body",) for item in problems) and not _says_json(request):
        return _detail(422, [NOT_SAID_TO_BE_JSON])
    return _detail(422, field_problems(problems))


def _says_json(request: Request) -> bool:
    """Whether the header says so; without it the body is not read as JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


NOT_SAID_TO_BE_JSON: Mapping[str, object] = {
    "loc": ["header", "content-type"],
    "msg": "The body is not read as JSON without the header Content-Type: application/json. Send that too.",
    "type": "content_type",
}


BAD_REQUEST, METHOD_NOT_ALLOWED = 400, 405
UNREADABLE_BODY = (
    "The body can't be read. Send one JSON object in UTF-8, not nested deeply,"
    ' such as {"studio_id": "a00012"}; GET / shows its fields.'
)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = UNREADABLE_BODY if error.status_code == BAD_REQUEST else error.detail
    if error.status_code in (404, 405):
        path = request.scope["path"]
        detail = f"There is no {request.method} {path}. GET / lists what there is."
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED:
        # The framework names the methods of the first route on the path alone.
        headers["Allow"] = ", ".join(methods_on(request.app.routes, request.scope["path"]))
    return _detail(error.status_code, detail, headers)


BUG = "Something went wrong inside the service. Its log has the details; please report it."


async def _answer_bug(_: Request, __: Exception) -> JSONResponse:
    return _detail(500, BUG)


class BugGuard:
    """ASGI middleware: a bug in what it guards is logged, and leaves as a 500 like any other answer.

    The framework answers bugs outside of all guards, where neither CORS nor ids nor figures reach.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer 500 where that fails."""
        try:
            await self._app(scope, receive, send)
        except Exception:
            # An answer that has begun can only be cut off, so that nobody takes it for whole.
            if scope["type"] != "http" or exchange_of(scope).answer_has_begun:
                raise
            logger.exception("A bug: please report it.")
            await _detail(500, BUG)(scope, receive, send)
