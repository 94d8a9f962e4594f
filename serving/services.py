"""What the running application holds: made when it starts, closed in the opposite order when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from serving.access import AccessRules
from serving.database.database import Database
from serving.database.health import DatabaseHealth
from serving.database.prediction_table import PredictionTable
from serving.model_store import LoadForecaster, ModelStore
from serving.narrator import Narrator
from serving.prediction_log import PredictionLog
from serving.prediction_spool import PredictionSpool
from serving.scenario_store import ScenarioStore
from serving.studio_records import StudioRecords
from studio_pipeline.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What routes and guards work with.

    Attributes:
        settings: as read when the application started.
        access: who may ask.
        store: the release that answers.
        database: the service's own tables.
        database_health: whether they are there.
        predictions: the log of what was answered.
        scenarios: what was saved.
        records: what is kept of one studio.
        narrator: writes summaries; None where no key is set.
    """

    settings: Settings
    access: AccessRules
    store: ModelStore
    database: Database
    database_health: DatabaseHealth
    predictions: PredictionLog
    scenarios: ScenarioStore
    records: StudioRecords
    narrator: Narrator | None


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
    async with (
        _watched(store),
        _prepared(Database(settings)) as database,
        _written(settings, database) as log,
        _narrator(settings) as narrator,
    ):
        yield Services(
            settings=settings,
            access=AccessRules(settings.api_keys),
            store=store,
            database=database,
            database_health=DatabaseHealth(database),
            predictions=log,
            scenarios=ScenarioStore(database),
            records=StudioRecords(database, log),
            narrator=narrator,
        )


@asynccontextmanager
async def _narrator(settings: Settings) -> AsyncIterator[Narrator | None]:
    """The narrator, where the settings have a key for one."""
    if settings.openai_api_key is None:
        yield None
        return
    narrator = Narrator(settings.openai_api_key, settings.openai_base_url, settings.openai_model)
    try:
        yield narrator
    finally:
        await narrator.close()


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


@asynccontextmanager
async def _prepared(database: Database) -> AsyncIterator[Database]:
    """A database whose tables are brought to this version in the background."""
    preparation = asyncio.create_task(database.prepare())
    try:
        yield database
    finally:
        preparation.cancel()
        with suppress(asyncio.CancelledError):
            await preparation
        await asyncio.to_thread(database.close)


@asynccontextmanager
async def _written(settings: Settings, database: Database) -> AsyncIterator[PredictionLog]:
    """A log of predictions that is written in the background."""
    spool = PredictionSpool(settings.home / "spool")
    log = PredictionLog(PredictionTable(database), spool, settings.log_retention_days)
    log.start()
    try:
        yield log
    finally:
        await asyncio.to_thread(log.close)
