"""What the running application holds: made when it starts, closed in the opposite order when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

from serving.answers.forecast_turns import ForecastTurns
from serving.answers.narrator import Narrator
from serving.answers.planner_pool import PlannerPool
from serving.answers.role_counts import RoleCounts
from serving.answers.shadow_scores import ShadowScores
from serving.background import in_the_background
from serving.cache.answer_cache import AnswerCache, running_cache
from serving.database.database import Database
from serving.database.health import DatabaseHealth
from serving.database.prediction_table import PredictionTable
from serving.experiment import Experiment
from serving.guards.access import AccessRules
from serving.guards.rate_limits import RateLimits, open_rate_limits
from serving.memory import search_seldom_for_garbage
from serving.metrics import ServiceMetrics
from serving.model_store import LoadForecaster, ModelStore
from serving.records.prediction_log import PredictionLog
from serving.records.prediction_spool import PredictionSpool
from serving.records.scenario_store import ScenarioStore
from serving.records.studio_records import StudioRecords
from serving.release_metrics import ReleaseCollector
from serving.request_log import RequestLog
from studio_pipeline.configuration import read_configuration
from studio_pipeline.planning.configuration import PlanningConfig
from studio_pipeline.settings import Settings


@dataclass(frozen=True)
class Services:
    """What routes and guards work with.

    Attributes:
        settings: as read when the application started.
        access: who may ask.
        rates: how often each caller may ask.
        metrics: the figures of `/metrics`.
        request_log: a line a request.
        store: the release that answers.
        cache: of answers given before; None where none are kept.
        database: the service's own tables.
        database_health: whether they are there.
        predictions: the log of what was answered.
        shadow: has answers scored by the challenger, unseen.
        answers_by_role: how many each model gave.
        scenarios: what was saved.
        records: what is kept of one studio.
        narrator: writes summaries; None where no key is set.
        planning: how plans are made, of the configuration as read when the application started.
        planner: where plans are made.
        turns: where forward answers are made.
    """

    settings: Settings
    access: AccessRules
    rates: RateLimits
    metrics: ServiceMetrics
    request_log: RequestLog
    store: ModelStore
    cache: AnswerCache | None
    database: Database
    database_health: DatabaseHealth
    predictions: PredictionLog
    shadow: ShadowScores
    answers_by_role: RoleCounts
    scenarios: ScenarioStore
    records: StudioRecords
    narrator: Narrator | None
    planning: PlanningConfig
    planner: PlannerPool
    turns: ForecastTurns


@asynccontextmanager
async def running_services(settings: Settings, load: LoadForecaster) -> AsyncIterator[Services]:
    """The services of one application, for as long as it runs.

    Args:
        settings: of the application.
        load: builds a forecaster from a verified model bundle and a panel.
    """
    search_seldom_for_garbage()
    async with AsyncExitStack() as resources:
        enter = resources.enter_async_context
        configuration = await asyncio.to_thread(read_configuration, settings.config)
        experiment = Experiment(settings.ab_mode, settings.challenger_share)
        store = ModelStore(settings.home, settings.model_version, load, experiment)
        await enter(_watched(store))
        database = await enter(_prepared(Database(settings)))
        predictions = await enter(_written(settings, database))
        services = Services(
            settings=settings,
            access=AccessRules(settings.api_keys),
            rates=await open_rate_limits(settings, resources),
            metrics=ServiceMetrics(),
            request_log=_requests_logged(resources),
            store=store,
            cache=await enter(running_cache(settings)),
            database=database,
            database_health=DatabaseHealth(database),
            predictions=predictions,
            shadow=await enter(_scored(predictions)),
            answers_by_role=RoleCounts(),
            scenarios=ScenarioStore(database),
            records=StudioRecords(database, predictions),
            narrator=await enter(_narrator(settings)),
            planning=configuration.planning,
            planner=resources.enter_context(closing(PlannerPool())),
            turns=ForecastTurns(),
        )
        await enter(_measured(services))
        yield services


def _requests_logged(resources: AsyncExitStack) -> RequestLog:
    """A log of requests whose last lines are written in the end."""
    log = RequestLog()
    resources.callback(log.write)
    return log


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
    """Let a store look for new releases, the first time before anything is answered."""
    await asyncio.to_thread(store.refresh)
    store.warn_if_empty()
    async with in_the_background(store.watch(), "Nobody looks for new releases any more"):
        yield


@asynccontextmanager
async def _prepared(database: Database) -> AsyncIterator[Database]:
    """A database whose tables are brought to this version in the background."""
    try:
        async with in_the_background(
            database.prepare(), "The database's tables are not brought to this version"
        ):
            yield database
    finally:
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


@asynccontextmanager
async def _scored(log: PredictionLog) -> AsyncIterator[ShadowScores]:
    """Shadow scores that are made in the background."""
    shadow = ShadowScores(log)
    shadow.start()
    try:
        yield shadow
    finally:
        await asyncio.to_thread(shadow.close)


@asynccontextmanager
async def _measured(services: Services) -> AsyncIterator[None]:
    """Figures of what the services do."""
    metrics, log = services.metrics, services.predictions
    metrics.collect(ReleaseCollector(services.store))
    metrics.follow_counters("studio_shared_rate_limit", "Requests asked of Redis' count.", services.rates)
    metrics.follow_counters("studio_logged_predictions", "Entries of the log, by what became of them.", log)
    metrics.follow_gauge("studio_log_queued", "Entries of the log in memory.", lambda: log.queue_length)
    metrics.follow_gauge("studio_log_spooled", "Entries of the log in spool files.", lambda: log.spool_length)
    metrics.follow_gauge("studio_plans_waiting", "Plans in the making.", lambda: services.planner.waiting)
    metrics.follow_counters(
        "studio_answers", "Answers, by the role of their model.", services.answers_by_role
    )
    metrics.follow_counters("studio_shadow_scores", "Answers to be scored unseen.", services.shadow)
    if services.cache is not None:
        metrics.follow_counters("studio_answer_cache", "Answers asked of the cache.", services.cache)
    async with in_the_background(metrics.share(), "This worker's counts no longer reach the others"):
        yield
