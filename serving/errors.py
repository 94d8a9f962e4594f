"""Error responses: the status of each exception, and readable sentences for invalid fields.

Every error leaves the service as ``{"detail": ...}`` with a remedy and without a stack trace. Unexpected
exceptions are handled in ``guards.request_guard``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, compile_path

from serving.guards.access import RefusedError
from serving.schemas.common import HeldLevers, Levers
from studio_pipeline.errors import (
    BusyError,
    DatabaseError,
    InputError,
    QueryError,
    ReleaseError,
    StorageError,
    StudioError,
    UnknownScenarioError,
    UnknownStudioError,
)

STATUSES: tuple[tuple[tuple[type[StudioError], ...], int], ...] = (
    ((UnknownStudioError, UnknownScenarioError), 404),
    ((QueryError, InputError), 422),
    ((ReleaseError, StorageError, DatabaseError, BusyError), 503),
    ((StudioError,), 500),
)
"""Status of each branch of the error tree; the first one that fits counts."""

RETRY_SECONDS = "2"  # Retry-After of a busy service


def status_of(error: StudioError) -> int:
    """HTTP status of an error."""
    return next(status for branches, status in STATUSES if isinstance(error, branches))


def add_error_handlers(app: FastAPI) -> None:
    """Let every error of `app` leave as `{"detail": ...}`."""
    for kind in (StudioError, RefusedError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    headers: dict[str, str] = {}
    detail: object
    if isinstance(error, RefusedError):
        status, detail, headers = error.status, error.detail, error.headers
    elif isinstance(error, RequestValidationError):
        status, problems = 422, error.errors()
        is_unread = any(item["loc"] == ("body",) for item in problems) and not _says_json(request)
        detail = [NOT_SAID_TO_BE_JSON] if is_unread else field_problems(problems)
    elif isinstance(error, HTTPException):
        status, detail, headers = error.status_code, error.detail, dict(error.headers or {})
        if status == 400:
            detail = UNREADABLE_BODY
        elif status in (404, 405):
            detail = f"There is no {request.method} {request.scope['path']}. GET /docs lists what there is."
        if status == 405:
            # The framework names the methods of the first route on the path alone.
            headers["Allow"] = ", ".join(methods_on(request.app.routes, request.scope["path"]))
    else:
        assert isinstance(error, StudioError)  # noqa: S101
        status, detail = status_of(error), request.app.state.services.store.shown(str(error))
        headers = {"Retry-After": RETRY_SECONDS} if isinstance(error, BusyError) else {}
    return JSONResponse({"detail": detail}, status, headers)


def _says_json(request: Request) -> bool:
    """True if the header names JSON; without it the body is not read as JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


NOT_SAID_TO_BE_JSON: Mapping[str, object] = {
    "loc": ["header", "content-type"],
    "msg": "The body is not read as JSON without the header Content-Type: application/json. Send that too.",
    "type": "content_type",
}
UNREADABLE_BODY = (
    "The body can't be read. Send one JSON object in UTF-8, not nested deeply,"
    ' such as {"studio_id": "a00012"}; GET /docs shows its fields.'
)


def methods_on(routes: Sequence[BaseRoute], path: str) -> list[str]:
    """The methods of all routes that match a path, sorted; of its literal routes, if it has any."""
    all_routes = list(iter_route_contexts(routes))
    own = [route for route in all_routes if route.path == path]
    here = own or [route for route in all_routes if compile_path(route.path or "")[0].match(path)]
    return sorted({method for route in here for method in route.methods or ()})


Problem = Mapping[str, Any]
"""One entry of a validation error of Pydantic."""

MOST_PROBLEMS = 20  # of one request in an answer; further ones are left out


def field_problems(items: Sequence[Problem]) -> list[dict[str, object]]:
    """The entries of an answer, the first ones where there are very many."""
    return [field_problem(item) for item in items[:MOST_PROBLEMS]]


def field_problem(item: Problem) -> dict[str, object]:
    """The entry of an answer: where, what, and Pydantic's word for it. The value itself may be huge."""
    # The name of an unknown field is the sender's; it may hold what UTF-8 can't carry.
    loc = [str(part).encode("utf-8", "replace").decode()[:100] for part in item["loc"]]
    return {"loc": loc, "msg": sentence(item), "type": item["type"]}


def sentence(item: Problem) -> str:
    """The fault of a field and the values allowed."""
    kind, said = str(item["type"]), _SENTENCES.get(item["type"])
    if kind == "json_invalid":
        return f"The body is no JSON: {item['ctx']['error']}."
    if kind == "extra_forbidden":
        return _unknown_field(item["loc"])
    if tuple(item["loc"]) == ("body",) and kind in NO_BODY:
        return (
            'Send one JSON object as the body, such as {"studio_id": "a00012"}; GET /docs shows its fields.'
        )
    if said is None:
        # A message of ours from a validator, or one of Pydantic that is rare.
        text = str(item["msg"]).removeprefix("Value error, ")
        return f"{text[:1].upper()}{text[1:].rstrip('.')}."
    limits = {
        name: f"{limit:g}" if isinstance(limit, float) else limit
        for name, limit in item.get("ctx", {}).items()
    }
    value = item.get("input")
    # Of values only numbers are repeated.
    shown = next((say(value) for kind, say in _KINDS if isinstance(value, kind)), "")
    return f"{said.format(**limits)} This is {shown}." if shown else said.format(**limits)


NO_BODY = ("missing", "model_type", "model_attributes_type", "dict_type")


def _unknown_field(loc: tuple[str | int, ...]) -> str:
    if "levers" not in loc[-2:-1]:
        return "There is no such field. Leave it out, or correct its name; GET /docs shows all fields."
    levers = HeldLevers if "lever_plan" in loc else Levers
    place = " of a lever_plan" if "lever_plan" in loc else ""
    return f"This is none of the levers{place}, which are {', '.join(levers.model_fields)}."


_SENTENCES = {
    "missing": "This field is needed.",
    "float_type": "Write a number.",
    "int_type": "Write a whole number.",
    "int_parsing": "Write a whole number.",
    "int_parsing_size": "Write a smaller whole number.",
    "finite_number": "Write a finite number.",
    "bool_type": "Write true or false, without quotes.",
    "string_type": "Write a text in quotes.",
    "string_unicode": "Write a text of whole Unicode characters: half of a surrogate pair is none.",
    "list_type": "Write a list in brackets.",
    "tuple_type": "Write a list in brackets.",
    "dict_type": "Write an object in braces.",
    "model_type": "Write an object in braces.",
    "model_attributes_type": "Write an object in braces.",
    "greater_than": "Write more than {gt}.",
    "greater_than_equal": "Write at least {ge}.",
    "less_than": "Write less than {lt}.",
    "less_than_equal": "Write at most {le}.",
    "string_too_short": "Write at least {min_length} character(s).",
    "string_too_long": "Write at most {max_length} characters.",
    "too_short": "Write at least {min_length} of them.",
    "too_long": "Write at most {max_length} of them.",
    "literal_error": "Write {expected}.",
}


MOST_SHOWN = 1e15


def _number(value: Any) -> str:
    # Compared first: the largest whole numbers are no floats.
    return f"beyond {MOST_SHOWN:g}" if abs(value) > MOST_SHOWN else repr(value)


_KINDS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, lambda value: "true" if value else "false"),
    (int, _number),
    (float, _number),
    (str, lambda value: f"a text of length {len(value)}"),
    (list, lambda value: f"a list of length {len(value)}"),
    (type(None), lambda _: "null"),
)
