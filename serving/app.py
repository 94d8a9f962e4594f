"""The application: wiring only. Importing it does no I/O; its lifespan does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from serving.answers.direct_route import DirectRoute
from serving.errors import BugGuard, add_error_handlers
from serving.guards.access import AccessGuard
from serving.guards.cors import ConfiguredCors
from serving.guards.guarded_app import GuardedApp
from serving.guards.request_frame import RequestFrame
from serving.guards.request_limits import RequestLimits
from serving.logs import logging_to
from serving.model_store import LoadForecaster, load_forecaster
from serving.openapi import openapi_document
from serving.routes import (
    batches,
    documentation,
    health,
    insights,
    metrics,
    models,
    plans,
    predictions,
    records,
    scenarios,
    studios,
)
from serving.schemas.forward import ForwardRequest
from serving.services import running_services
from studio_pipeline.settings import Settings, read_settings

TITLE = "Studio Revenue Simulator"
DESCRIPTION = (
    "What a studio's revenue will be, and what it would be after a change. Months are their first day."
)
API = "/api/v1"

GUARDS = (
    Middleware(RequestFrame),
    Middleware(ConfiguredCors),
    Middleware(BugGuard),
    Middleware(AccessGuard),
    Middleware(RequestLimits),
    Middleware(
        DirectRoute,
        path=API + predictions.PATH,
        model=ForwardRequest,
        reply=predictions.reply_to_caller,
        note=predictions.note_reply,
    ),
)
"""Around every request, the outermost first."""


def create_app(settings: Settings | None = None, load: LoadForecaster = load_forecaster) -> GuardedApp:
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

    app = GuardedApp(
        guards=GUARDS,
        title=TITLE,
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    for resource in (predictions, batches, plans, scenarios, insights, studios, records, models, health):
        app.include_router(resource.router, prefix=API)
    app.include_router(metrics.router)
    app.include_router(documentation.router)
    add_error_handlers(app)
    # A bug in a route is met before the framework answers it in its own way.
    app.add_middleware(BugGuard)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


app = create_app()
