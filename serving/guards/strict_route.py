"""Routes that ignore nothing: parameters that are unknown or stand twice are refused, as are such keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.guards.strict_json import read_json


class StrictRoute(APIRoute):
    """A route that takes what it documents, and nothing else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, over a request that reads strictly."""
        handle, known = super().get_route_handler(), _query_names(self)

        async def handle_strictly(request: Request) -> Response:
            _refuse_ignored(request, known)
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


def _query_names(route: APIRoute) -> frozenset[str]:
    """Names of the parameters after the question mark."""
    names: set[str] = set()
    for parameter in route.dependant.query_params:
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names |= {field.alias or name for name, field in model.model_fields.items()}
        else:
            names.add(parameter.alias)
    return frozenset(names)


def _refuse_ignored(request: Request, known: frozenset[str]) -> None:
    """Refuse the parameters that the framework would pass over.

    Raises:
        RequestValidationError: of the request's parameters some have other names, or one stands twice.
    """
    if not request.scope["query_string"]:
        return
    sent = Counter(name for name, _ in request.query_params.multi_items())
    takes = f"Unknown parameter: this route takes {', '.join(sorted(known)) or 'none'}"
    refused = [(name, "unknown_parameter", takes) for name in sent if name not in known]
    refused += [(name, "given_twice", "Send it once") for name in sent if name in known and sent[name] > 1]
    if refused:
        raise RequestValidationError(
            [{"type": kind, "loc": ("query", name), "msg": what} for name, kind, what in refused]
        )
