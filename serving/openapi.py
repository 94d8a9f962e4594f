"""OpenAPI document: FastAPI's, with the responses of the guards and the API key scheme added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving.guards.access import HEALTH, OPEN_PATHS
from serving.schemas.common import FieldProblem, Problem, meaning_of

Document = dict[str, Any]

SCHEME = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
FROM_ALL = (403, 500, 503)
WITH_A_BODY = (400, 408, 413, 415, 422)
REQUEST_ID = {
    "description": "The one that was sent as X-Request-ID, or one made for this request.",
    "schema": {"type": "string"},
}
RETRY_AFTER = {
    "description": "Seconds after which to ask again.",
    "schema": {"type": "integer", "minimum": 1},
}


def openapi_document(app: FastAPI) -> Document:
    """The document of an application, made once; with its keys as its settings have them, once it runs."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components = document.setdefault("components", {})
        components["securitySchemes"] = {"key": SCHEME}
        for model in (Problem, FieldProblem):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schema.pop("$defs", None)
            components.setdefault("schemas", {}).setdefault(model.__name__, schema)
        for name in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(name, None)
        for path, operation in _operations(document):
            _add_guards(path, operation, needs_key=_keys_are_set(app))
        app.openapi_schema = document
    return app.openapi_schema


def _keys_are_set(app: FastAPI) -> bool | None:
    """None for an application that does not run: its settings are not read yet."""
    services = getattr(app.state, "services", None)
    return None if services is None else services.access.keys_are_set


def _operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _add_guards(path: str, operation: Document, *, needs_key: bool | None) -> None:
    """Say what may happen before the route is reached, and after it failed."""
    answers = operation["responses"]
    for status in _statuses(path, operation):
        if _is_the_framework_s(answers, status):
            answers[str(status)] = _problem(status)
    for status, answer in answers.items():
        answer.setdefault("headers", {})["X-Request-ID"] = REQUEST_ID
        if status == "429":
            answer["headers"]["Retry-After"] = RETRY_AFTER
    operation["responses"] = dict(sorted(answers.items()))
    operation["security"] = _security(path, needs_key)


def _statuses(path: str, operation: Document) -> Iterator[int]:
    yield from FROM_ALL
    if path not in OPEN_PATHS:
        yield 401
    if path != HEALTH:
        yield 429
    if "requestBody" in operation:
        yield from WITH_A_BODY
    elif operation.get("parameters"):
        yield 422


def _is_the_framework_s(answers: Document, status: int) -> bool:
    """True if a route documents no such status by itself."""
    answer = answers.get(str(status))
    return answer is None or "HTTPValidationError" in str(answer)


def _problem(status: int) -> Document:
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {"description": meaning_of(status), "content": {"application/json": {"schema": schema}}}


def _security(path: str, needs_key: bool | None) -> list[dict[str, list[str]]]:
    if path in OPEN_PATHS or needs_key is False:
        return []
    return [{"key": []}] if needs_key else [{"key": []}, {}]
