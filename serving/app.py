"""The application: wiring only. Importing it does no I/O; its lifespan does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access import AccessGuard
from serving.errors import add_error_handlers
from serving.logs import RequestLog, logging_to
from serving.model_store import LoadForecaster, load_forecaster
from serving.routes import documentation, health, models, plans, predictions, studios
from serving.services import running_services
from studio_pipeline.settings import Settings, read_settings

TITLE = "Studio Revenue Simulator"
DESCRIPTION = (
    "What a studio's revenue will be, and what it would be after a change. Months are their first day."
)
API = "/api/v1"


def create_app(settings: Settings | None = None, load: LoadForecaster = load_forecaster) -> FastAPI:
    """The service.

    Args:
        settings: read from the environment when the application starts, where they are not given.
        load: builds a forecaster from a verified model bundle and a panel.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        read = await asyncio.to_thread(read_settings) if settings is None else settings
        with logging_to(read):
            async with running_services(read, load) as app.state.services:
                yield

    app = FastAPI(
        title=TITLE, description=DESCRIPTION, version="1", lifespan=lifespan, docs_url=None, redoc_url=None
    )
    for resource in (predictions, plans, studios, models, health):
        app.include_router(resource.router, prefix=API)
    app.include_router(documentation.router)
    add_error_handlers(app)
    # The last one added is the outermost.
    app.add_middleware(AccessGuard)
    app.add_middleware(ConfiguredCors)
    app.add_middleware(RequestLog)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


class ConfiguredCors:
    """ASGI middleware: CORS for the configured origins, which are known only once the lifespan has begun."""

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
                self._app, origins, allow_methods=["*"], allow_headers=["Content-Type", "X-API-Key"]
            )
        await self._with_cors(scope, receive, send)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the key that every route but the health takes."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        scheme = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        document["components"]["securitySchemes"] = {"key": scheme}
        document["security"] = [{"key": []}, {}]
        app.openapi_schema = document
    return app.openapi_schema


app = create_app()
