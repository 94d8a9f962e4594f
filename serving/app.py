"""FastAPI application: wiring only. Importing it does no I/O; its lifespan does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from serving.errors import add_error_handlers
from serving.guards.request_frame import ConfiguredCors, RequestFrame
from serving.guards.request_guard import RequestGuard
from serving.logs import logging_to
from serving.model_store import LoadForecaster, load_forecaster
from serving.openapi import openapi_document
from serving.routes import documentation, insights, operations, predictions, scenarios, studios
from serving.services import running_services
from studio_pipeline.settings import Settings, read_settings

TITLE = "Studio Revenue Simulator"
DESCRIPTION = (
    "What a studio's revenue will be, and what it would be after a change. Months are their first day."
)
API = "/api/v1"

MIDDLEWARE = [Middleware(RequestFrame), Middleware(ConfiguredCors), Middleware(RequestGuard)]
"""Outermost first."""


def create_app(settings: Settings | None = None, load: LoadForecaster = load_forecaster) -> FastAPI:
    """The service; settings that are not given are read from the environment when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        read = await asyncio.to_thread(read_settings) if settings is None else settings
        with logging_to(read):
            async with running_services(read, load) as app.state.services:
                yield

    app = FastAPI(
        middleware=MIDDLEWARE,
        title=TITLE,
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # Its figures are in `/metrics` and the log; looking for providers takes 2 % of a forward request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for resource in (predictions, scenarios, insights, studios):
        app.include_router(resource.router, prefix=API)
    app.include_router(operations.models_router, prefix=API)
    app.include_router(operations.health_router, prefix=API)
    app.include_router(operations.metrics_router)
    app.include_router(documentation.router)
    add_error_handlers(app)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


app = create_app()
