"""Services of one application: created in its lifespan, closed in reverse order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

from serving.answers.insights import Narrator
from serving.answers.inverse import PlannerPool
from serving.answers.predictions import Predictions
from serving.answers.recording import AnswerRecorder, ShadowScorer
from serving.cache.answer_cache import AnswerCache, MemoryCache
from serving.experiment import Experiment
from serving.guards.access import AccessRules
from serving.guards.rate_limits import RateLimits, RedisCounter
from serving.guards.request_guard import Deadlines
from serving.logs import RequestLog
from serving.metrics import ReleaseCollector, ServiceMetrics
from serving.model_store import LoadForecaster, ModelStore
from serving.runtime import in_the_background
from serving.storage.database import Database, DatabaseHealth
from serving.storage.prediction_log import PredictionLog
from serving.storage.prediction_spool import PredictionSpool
from serving.storage.predictions import PredictionTable, StudioRecords
from serving.storage.scenarios import ScenarioStore
from studio_pipeline.configuration import read_configuration
from studio_pipeline.settings import Settings


@dataclass(frozen=True)
class Services:
    """Services that routes and guards work with; without a cache or a key for the narrator there is none."""

    settings: Settings
    access: AccessRules
    rates: RateLimits
    deadlines: Deadlines
    metrics: ServiceMetrics
    requests: RequestLog
    store: ModelStore
    cache: AnswerCache | None
    database: Database
    database_health: DatabaseHealth
    prediction_log: PredictionLog
    shadow: ShadowScorer
    recorder: AnswerRecorder
    predictions: Predictions
    scenarios: ScenarioStore
    records: StudioRecords
    narrator: Narrator | None
    planner: PlannerPool


@asynccontextmanager
async def running_services(settings: Settings, load: LoadForecaster) -> AsyncIterator[Services]:
    """The services of one application, for as long as it runs."""
    async with AsyncExitStack() as resources:
        enter, at_end = resources.enter_async_context, resources.push_async_callback
        configuration = await asyncio.to_thread(read_configuration, settings.config)
        experiment = Experiment(settings.ab_mode, settings.challenger_share)
        store = ModelStore(settings.home, settings.model_version, load, experiment)
        await asyncio.to_thread(store.refresh)
        store.warn_if_empty()
        await enter(in_the_background(store.watch(), "New releases are no longer loaded"))
        database = Database(settings)
        at_end(asyncio.to_thread, database.close)
        loss = "The database's tables are not brought to this version"
        await enter(in_the_background(database.prepare(), loss))
        spool = PredictionSpool(settings.home / "spool")
        log = PredictionLog(PredictionTable(database), spool, settings.log_retention_days)
        log.start()
        at_end(asyncio.to_thread, log.close)
        shadow = ShadowScorer(log)
        shadow.start()
        at_end(asyncio.to_thread, shadow.close)
        recorder = AnswerRecorder(log, shadow)
        cache = await enter(running_cache(settings))
        planner = resources.enter_context(closing(PlannerPool()))
        counter = narrator = None
        if settings.redis_url is not None:
            counter = RedisCounter(settings.rate_limit, settings.redis_url)
            at_end(counter.close)
        if settings.openai_api_key is not None:
            narrator = Narrator(settings.openai_api_key, settings.openai_base_url, settings.openai_model)
            at_end(narrator.close)
        services = Services(
            settings=settings,
            access=AccessRules(settings.api_keys),
            rates=RateLimits(settings.rate_limit, counter),
            deadlines=Deadlines(),
            metrics=ServiceMetrics(),
            requests=RequestLog(),
            store=store,
            cache=cache,
            database=database,
            database_health=DatabaseHealth(database),
            prediction_log=log,
            shadow=shadow,
            recorder=recorder,
            predictions=Predictions(cache, recorder, planner, configuration.planning),
            scenarios=ScenarioStore(database),
            records=StudioRecords(database, log.flush),
            narrator=narrator,
            planner=planner,
        )
        _measure(services)
        loss = "This worker's counts no longer reach the others"
        await enter(in_the_background(services.metrics.share(), loss))
        await enter(in_the_background(services.deadlines.watch(), "Late requests are no longer given up"))
        resources.callback(services.requests.write)
        yield services


@asynccontextmanager
async def running_cache(settings: Settings) -> AsyncIterator[AnswerCache | None]:
    """The cache that the settings ask for, for as long as the application runs; None where they want none."""
    if not settings.cache_ttl_seconds:
        yield None
    elif settings.redis_url is None:
        yield MemoryCache(settings.cache_ttl_seconds)
    else:
        from serving.cache.redis_cache import running_redis_cache

        async with running_redis_cache(settings.redis_url, settings.cache_ttl_seconds) as cache:
            yield cache


def _measure(services: Services) -> None:
    metrics, log = services.metrics, services.prediction_log
    metrics.collect(ReleaseCollector(services.store))
    metrics.follow_counters("studio_shared_rate_limit", "Requests asked of Redis' count.", services.rates)
    metrics.follow_counters("studio_logged_predictions", "Entries of the log, by what became of them.", log)
    metrics.follow_gauge("studio_log_queued", "Entries of the log in memory.", lambda: log.queue_length)
    metrics.follow_gauge("studio_log_spooled", "Entries of the log in spool files.", lambda: log.spool_length)
    metrics.follow_gauge("studio_plans_waiting", "Plans in the making.", lambda: services.planner.waiting)
    metrics.follow_counters("studio_answers", "Answers, by the role of their model.", services.recorder)
    metrics.follow_counters("studio_shadow_scores", "Answers to be scored unseen.", services.shadow)
    if services.cache is not None:
        metrics.follow_counters("studio_answer_cache", "Answers asked of the cache.", services.cache)
