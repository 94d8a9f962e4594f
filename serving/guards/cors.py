"""CORS for the configured origins and no others."""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

MAY_SEND = ["Content-Type", "X-API-Key", "X-Request-ID"]
MAY_READ = ["Retry-After", "X-Request-ID"]


class ConfiguredCors:
    """ASGI middleware: CORS for the configured origins, which are known only once the lifespan has begun.

    Keys travel in a header of their own, never in cookies: credentials are not allowed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._with_cors: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with CORS where there are origins."""
        origins = scope["app"].state.services.settings.cors_origins if scope["type"] == "http" else ()
        if not origins:
            await self._app(scope, receive, send)
            return
        if self._with_cors is None:
            self._with_cors = CORSMiddleware(
                self._app, origins, allow_methods=["*"], allow_headers=MAY_SEND, expose_headers=MAY_READ
            )
        await self._with_cors(scope, receive, send)
