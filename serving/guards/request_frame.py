"""Outermost middleware: request id, security headers, CORS, request log line and request metrics.

Applies to every response, including those of the other guards.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi.routing import iter_route_contexts
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.logs import current_request_id
from serving.runtime import random_bytes

REQUEST_ID = b"x-request-id"
_SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
"""Set on every response whose route sets no such header itself."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods with labels of their own in logs and metrics; clients can invent others."""

NO_ROUTE = "-"  # label of requests without a route
CORS_REQUEST_HEADERS = ["Content-Type", "X-API-Key", "X-Request-ID"]
CORS_RESPONSE_HEADERS = ["Retry-After", "X-Request-ID"]


@dataclass(slots=True)
class Exchange:
    """Progress of one request."""

    request_id: str  # sent on the response and in log lines
    status: int = 0  # of the response; 0 until it has begun


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that `RequestFrame` has put into a request's scope."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange


class RequestFrame:
    """ASGI middleware around all others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._labels: RouteLabels | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request, then log and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        exchange = Exchange(request_id_from(dict(scope["headers"]).get(REQUEST_ID)))
        scope.setdefault("state", {})["exchange"] = exchange
        id_before = current_request_id.set(exchange.request_id)

        async def send_framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = list(message.get("headers", ()))
                names = {name for name, _ in headers}
                headers += [header for header in SECURITY_HEADERS if header[0] not in names]
                headers.append((REQUEST_ID, exchange.request_id.encode()))
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, send_framed)
        finally:
            self._record(scope, exchange, time.perf_counter() - start)
            current_request_id.reset(id_before)

    def _record(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        if self._labels is None:
            self._labels = RouteLabels(scope["app"].routes)
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = self._labels.of(scope)
        status, services = exchange.status or 500, scope["app"].state.services
        services.metrics.note_request(method, route, status, seconds)
        services.requests.note(method, route, status, seconds, exchange.request_id)


def request_id_from(sent: bytes | None) -> str:
    """The id that a client sent, or a new one for none or one that is unsafe in a log."""
    if sent is not None and _SAFE_ID.fullmatch(sent):
        return sent.decode("ascii")
    return random_bytes().hex()


class RouteLabels:
    """Path templates by endpoint, as labels without ids."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        found = [(route.endpoint, route.path_format) for route in iter_route_contexts(routes)]
        self._by_endpoint = {endpoint: path for endpoint, path in found if path is not None}
        self._plain_paths = {path for path in self._by_endpoint.values() if "{" not in path}

    def of(self, scope: Scope) -> str:
        """Template of the route that handled a request; a path without ids if it was refused before."""
        if (endpoint := scope.get("endpoint")) is not None:
            return self._by_endpoint.get(endpoint, NO_ROUTE)
        path: str = scope["path"]
        return path if path in self._plain_paths else NO_ROUTE


class ConfiguredCors:
    """ASGI middleware: CORS for the origins of the settings, which are read after the application is built.

    Keys travel in a header, never in cookies: credentials are not allowed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._with_cors: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request with CORS if origins are set."""
        origins = scope["app"].state.services.settings.cors_origins if scope["type"] == "http" else ()
        if not origins:
            await self._app(scope, receive, send)
            return
        if self._with_cors is None:
            self._with_cors = CORSMiddleware(
                self._app,
                origins,
                allow_methods=["*"],
                allow_headers=CORS_REQUEST_HEADERS,
                expose_headers=CORS_RESPONSE_HEADERS,
            )
        await self._with_cors(scope, receive, send)
