"""OpenAPI document: FastAPI's, with the responses of the guards and the API key scheme added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving.guards.access import HEALTH, OPEN_PATHS
from serving.schemas.common import MEANINGS, FieldProblem, Problem

Document = dict[str, Any]

SCHEME = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
FROM_ALL = (403, 500, 503)
WITH_A_BODY = (400, 408, 413, 415)
NOT_STRICT = (HEALTH, "/metrics")  # paths that take parameters that they don't know

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
        # The settings of an application that does not run are not read yet.
        services = getattr(app.state, "services", None)
        needs_key = None if services is None else services.access.keys_are_set
        for path, methods in document["paths"].items():
            for operation in methods.values():
                _add_guards(path, operation, needs_key=needs_key)
        app.openapi_schema = document
    return app.openapi_schema


def _add_guards(path: str, operation: Document, *, needs_key: bool | None) -> None:
    answers = operation["responses"]
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    for code in _statuses(path, operation):
        documented = answers.get(str(code))
        # The framework's own description of invalid fields is not that of this service.
        if documented is None or "HTTPValidationError" in str(documented):
            content = {"application/json": {"schema": schema}}
            answers[str(code)] = {"description": MEANINGS[code], "content": content}
    for status, answer in answers.items():
        answer.setdefault("headers", {})["X-Request-ID"] = REQUEST_ID
        if status == "429":
            answer["headers"]["Retry-After"] = RETRY_AFTER
    operation["responses"] = dict(sorted(answers.items()))
    needed: list[Document] = [{"key": []}] if needs_key else [{"key": []}, {}]
    operation["security"] = [] if path in OPEN_PATHS or needs_key is False else needed


def _statuses(path: str, operation: Document) -> Iterator[int]:
    yield from FROM_ALL
    if path not in OPEN_PATHS:
        yield 401
    if path not in NOT_STRICT:
        yield 422
    if path != HEALTH:
        yield 429
    if "requestBody" in operation:
        yield from WITH_A_BODY
