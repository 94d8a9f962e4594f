"""Around every request: its id, the headers of its answer, its line in the log, its share in `/metrics`."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.guards.exchanges import Exchange, begin_exchange
from serving.guards.request_ids import HEADER, current_request_id, request_id_from
from serving.guards.security_headers import with_security_headers
from serving.route_names import RouteNames

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are one in log and figures: a client can make up as many as it likes."""


class RequestFrame:
    """ASGI middleware, the outermost: what is the same for every request, however it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._names: RouteNames | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        exchange = begin_exchange(scope, request_id_from(dict(scope["headers"]).get(HEADER)))
        id_before = current_request_id.set(exchange.request_id)

        async def send_framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = with_security_headers(message.get("headers", ()))
                message["headers"].append((HEADER, exchange.request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_framed)
        finally:
            self._note(scope, exchange, time.perf_counter() - start)
            current_request_id.reset(id_before)

    def _note(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        if self._names is None:
            self._names = RouteNames(scope["app"].routes)
        method = scope["method"] if scope["method"] in METHODS else "other"
        route, status = self._names.of(scope), exchange.status or 500
        services = scope["app"].state.services
        services.metrics.note_request(method, route, status, seconds)
        services.request_log.note(method, route, status, seconds, exchange.request_id)
