"""What the running application holds: made when it starts, closed in the opposite order when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass

from serving.access import AccessRules
from serving.model_store import LoadForecaster, ModelStore
from serving.planner_pool import PlannerPool
from studio_pipeline.configuration import read_configuration
from studio_pipeline.planning.plan_configuration import PlanningConfiguration
from studio_pipeline.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What routes and guards work with.

    Attributes:
        settings: as read when the application started.
        access: who may ask.
        store: the release that answers.
        planning: how plans are made, of the configuration as read when the application started.
        planner: where plans are made.
    """

    settings: Settings
    access: AccessRules
    store: ModelStore
    planning: PlanningConfiguration
    planner: PlannerPool


@asynccontextmanager
async def running_services(settings: Settings, load: LoadForecaster) -> AsyncIterator[Services]:
    """The services of one application, for as long as it runs.

    Args:
        settings: of the application.
        load: builds a forecaster from a verified model bundle and a panel.
    """
    configuration = await asyncio.to_thread(read_configuration, settings.config)
    store = ModelStore(settings.home, settings.model_version, load)
    await asyncio.to_thread(store.refresh)
    store.warn_if_empty()
    async with _watched(store):
        with closing(PlannerPool()) as planner:
            yield Services(settings, AccessRules(settings.api_keys), store, configuration.planning, planner)


@asynccontextmanager
async def _watched(store: ModelStore) -> AsyncIterator[None]:
    """Let the store look for new releases."""
    watcher = asyncio.create_task(store.watch())
    watcher.add_done_callback(_report_end)
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


def _report_end(watcher: asyncio.Task[None]) -> None:
    """Say at once that a bug has ended the watch; whoever waits for the task gets it too."""
    if not watcher.cancelled() and (fault := watcher.exception()) is not None:
        logger.critical("Nobody looks for new releases any more; start the service again.", exc_info=fault)
