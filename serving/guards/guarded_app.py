"""The framework's application with guards around it instead of within."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send


class GuardedApp(FastAPI):
    """An application whose requests meet its guards first.

    Middleware within the framework stands behind layers of its own, each of which every request passes
    twice; what a guard answers itself needs none of them.

    Attributes:
        guards: ASGI middleware, the outermost first; it is put together at the first request.
    """

    def __init__(self, *, guards: Sequence[Middleware], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.guards = guards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let requests through the guards; whatever else there is goes to the framework."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self._guarded(scope, receive, send)

    @cached_property
    def _guarded(self) -> ASGIApp:
        app: ASGIApp = super().__call__
        for guard, arguments, named in reversed(self.guards):
            app = guard(app, *arguments, **named)
        return app
