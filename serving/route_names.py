"""The route of a request as it is told in log and figures: without ids of studios or anything else sent."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path
from starlette.types import Scope

NO_ROUTE = "-"
"""Stands for every path that is none of ours, and for the name of a route that was not reached."""


class RouteNames:
    """Paths of routes with the names of their parameters, by endpoint.

    Args:
        routes: of the application.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        found = [(route.endpoint, route.path_format) for route in iter_route_contexts(routes)]
        self._by_endpoint = {endpoint: path for endpoint, path in found if path is not None}
        self._plain_paths = {path for path in self._by_endpoint.values() if "{" not in path}

    def of(self, scope: Scope) -> str:
        """The name of the route that took a request; of one that was refused before, where it tells no id."""
        if (endpoint := scope.get("endpoint")) is not None:
            return self._by_endpoint.get(endpoint, NO_ROUTE)
        path: str = scope["path"]
        return path if path in self._plain_paths else NO_ROUTE


def methods_on(routes: Sequence[BaseRoute], path: str) -> list[str]:
    """The methods of all routes that a path leads to, in order; of those of its own, where it has any."""
    all_routes = list(iter_route_contexts(routes))
    own = [route for route in all_routes if route.path == path]
    here = own or [route for route in all_routes if compile_path(route.path or "")[0].match(path)]
    return sorted({method for route in here for method in route.methods or ()})
