"""Requests as the routes take them: read strictly, with the services of the application and the caller.

Unknown or repeated parameters and non-standard JSON are refused: standard JSON has no NaN, no infinity and no
key twice in one object.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.guards.access import Caller
from serving.services import Services
from serving.storage.scenarios import Scenario, unknown_scenario

MOST_FIELDS = 100
"""Of one object in a body. Every field that a route doesn't know costs time to refuse."""


class Context(Request):
    """A request to a strict route; dependencies for its members would take 4 % of a forward answer."""

    @property
    def services(self) -> Services:
        """Of the running application."""
        services: Services = self.app.state.services
        return services

    @property
    def caller(self) -> Caller:
        """The one that `RequestGuard` has admitted."""
        caller: Caller = self.scope["state"]["caller"]
        return caller

    async def json(self) -> Any:
        """The body's value, as `read_json` reads it."""
        return read_json(await self.body())


class StrictRoute(APIRoute):
    """A route that takes what it documents, and nothing else, in a `Context`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, over a request that reads strictly."""
        names: set[str] = set()
        for parameter in self.dependant.query_params:
            model = parameter.field_info.annotation
            if isinstance(model, type) and issubclass(model, BaseModel):
                names |= {field.alias or name for name, field in model.model_fields.items()}
            else:
                names.add(parameter.alias)
        handle, known = super().get_route_handler(), frozenset(names)

        async def handle_strictly(request: Request) -> Response:
            _refuse_ignored(request, known)
            return await handle(Context(request.scope, request.receive))

        return handle_strictly


async def count_as(context: Context, requests: int) -> None:
    """Count a request, which was counted once on admission, as several.

    Raises:
        RateLimitedError: the caller has too few left.
    """
    if requests > 1:
        await context.services.rates.take(context.caller.name, requests - 1, taken=1)


async def saved_scenario(context: Context, scenario_id: str) -> Scenario:
    """A saved scenario of a studio that the caller may see.

    Raises:
        UnknownScenarioError: there is none, or the caller may not see it.
        DatabaseError: the database is unreachable.
    """
    scenario = await context.services.database.run(context.services.scenarios.find, scenario_id)
    if not context.caller.visible.allows(scenario.studio_id):
        raise unknown_scenario(scenario_id)
    return scenario


def _refuse_ignored(request: Request, known: frozenset[str]) -> None:
    """Refuse the parameters that the framework would pass over: other names, and one that stands twice."""
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


def read_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        json.JSONDecodeError: it is none, or holds NaN, an infinity, a key twice or too many in one object.
        UnicodeDecodeError: it is no UTF-8.
        ValueError: a whole number has more digits than Python reads.
        RecursionError: it is nested too deeply.
    """
    return _DECODER.decode(body.decode("utf-8-sig"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_FIELDS:
        raise json.JSONDecodeError(
            f"an object has {len(pairs):,} fields, and none has over {MOST_FIELDS}", "", 0
        )
    values = dict(pairs)
    if len(values) < len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = next(name for name, count in names.items() if count > 1)
        raise json.JSONDecodeError(f"the key {json.dumps(twice[:100])} stands twice in one object", "", 0)
    return values


def _refuse_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is no number in JSON; write one, or null", "", 0)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
