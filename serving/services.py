"""What the running application holds: made when it starts, closed in the opposite order when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from serving.access import AccessRules
from serving.memory import leave_imported_objects_alone
from serving.model_store import LoadForecaster, ModelStore
from studio_pipeline.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What routes and guards work with.

    Attributes:
        settings: as read when the application started.
        access: who may ask.
        store: the release that answers.
    """

    settings: Settings
    access: AccessRules
    store: ModelStore


@asynccontextmanager
async def running_services(settings: Settings, load: LoadForecaster) -> AsyncIterator[Services]:
    """The services of one application, for as long as it runs.

    Args:
        settings: of the application.
        load: builds a forecaster from a verified model bundle and a panel.
    """
    leave_imported_objects_alone()
    store = ModelStore(settings.home, settings.model_version, load)
    await asyncio.to_thread(store.refresh)
    store.warn_if_empty()
    async with _watched(store):
        yield Services(settings, AccessRules(settings.api_keys), store)


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
