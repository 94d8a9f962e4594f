"""What the running application holds: made when it starts, closed in the opposite order when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from serving.access import AccessRules
from serving.metrics import ServiceMetrics
from serving.model_store import LoadForecaster, ModelStore
from serving.rate_limits import RateLimits, open_rate_limits
from serving.release_metrics import ReleaseCollector
from studio_pipeline.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What routes and guards work with.

    Attributes:
        settings: as read when the application started.
        access: who may ask.
        store: the release that answers.
        rates: how often each caller may ask.
        metrics: the figures of `/metrics`.
    """

    settings: Settings
    access: AccessRules
    store: ModelStore
    rates: RateLimits
    metrics: ServiceMetrics


@asynccontextmanager
async def running_services(settings: Settings, load: LoadForecaster) -> AsyncIterator[Services]:
    """The services of one application, for as long as it runs.

    Args:
        settings: of the application.
        load: builds a forecaster from a verified model bundle and a panel.
    """
    store = ModelStore(settings.home, settings.model_version, load)
    await asyncio.to_thread(store.refresh)
    store.warn_if_empty()
    metrics = ServiceMetrics()
    metrics.collect(ReleaseCollector(store))
    async with AsyncExitStack() as resources:
        rates = await open_rate_limits(settings, resources)
        metrics.follow_counters("studio_shared_rate_limit", "Requests asked of the count in Redis.", rates)
        await resources.enter_async_context(
            _in_the_background(store.watch(), "Nobody looks for new releases any more")
        )
        await resources.enter_async_context(
            _in_the_background(metrics.share(), "This worker's counts no longer reach the others' /metrics")
        )
        yield Services(settings, AccessRules(settings.api_keys), store, rates, metrics)


@asynccontextmanager
async def _in_the_background(work: Coroutine[Any, Any, None], loss: str) -> AsyncIterator[None]:
    """Let something go on beside the requests; say at once what is lost where a bug ends it."""
    task = asyncio.create_task(work)
    task.add_done_callback(partial(_report_end, loss))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _report_end(loss: str, task: asyncio.Task[None]) -> None:
    """Say at once that a bug has ended it; whoever waits for the task gets it too."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        logger.critical("%s; start the service again.", loss, exc_info=fault)
