"""`/health`, `/metrics` and `/models`: state of the service and the models that it can answer from."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from serving.cache.answer_cache import CacheState
from serving.routes.requests import Context, StrictRoute
from serving.schemas.resources import (
    CurrentModelAnswer,
    ExperimentAnswer,
    HealthAnswer,
    HealthRelease,
    ModelEntry,
    ModelsAnswer,
)
from serving.services import Services
from serving.storage.database import PROBLEMS

models_router = APIRouter(prefix="/models", tags=["models"], route_class=StrictRoute)
health_router = APIRouter(tags=["health"])
metrics_router = APIRouter(tags=["health"])

_CACHE_PROBLEMS: Mapping[CacheState, str] = {
    "unreachable": "Redis does not answer, so that no answers are kept; forecasts go on. Start it again,"
    " or correct STUDIO_REDIS_URL."
}


@health_router.get("/health")
async def health(request: Request) -> HealthAnswer:
    """State of the service: the model that answers, and what is not as it should be."""
    services: Services = request.app.state.services
    held = services.store.held
    release = held.release if held else None
    cache: CacheState = await services.cache.state() if services.cache else "off"
    database = await services.database_health.state()
    found = (services.store.problem, PROBLEMS[database], _CACHE_PROBLEMS.get(cache))
    problem = " ".join(filter(None, found)) or None
    return HealthAnswer(
        status="no_model" if held is None else "degraded" if problem else "healthy",
        model_version=release.model_version if release else None,
        model_features=len(held.forecaster.model.feature_names) if held else None,
        database=database,
        cache=cache,
        release=HealthRelease(
            version=release.version,
            data_version=release.data_version,
            last_month=release.last_month.isoformat(),
            published_at=release.published_at.isoformat(),
        )
        if release
        else None,
        problem=problem,
    )


class PrometheusText(PlainTextResponse):
    """Prometheus' text format."""

    media_type = CONTENT_TYPE_PLAIN_0_0_4


@metrics_router.get("/metrics", response_class=PrometheusText)
def metrics(request: Request) -> PrometheusText:
    """Requests by route, the release, and what the service's parts count, over all workers."""
    return PrometheusText(request.app.state.services.metrics.text())


@models_router.get("")
def list_models(context: Context) -> ModelsAnswer:
    """All model versions, oldest first."""
    store = context.services.store
    now = store.held.release.model_version if store.held else None
    entries = [
        ModelEntry(
            model_version=version,
            created_at=made.created_at,
            answering=version == now,
            details=dict(made.details),
        )
        for version, made in store.manifests().items()
    ]
    return ModelsAnswer(models=entries)


@models_router.get("/current")
async def current_model(context: Context) -> CurrentModelAnswer:
    """The release that answers: its model, its data, its run and its figures."""
    held = context.services.store.require()
    release, challenger = held.release, held.challenger
    return CurrentModelAnswer(
        version=release.version,
        model_version=release.model_version,
        data_version=release.data_version,
        challenger_model_version=release.challenger_model_version,
        source=release.source,
        last_month=release.last_month.isoformat(),
        dagster_run_id=release.run_id,
        materialized_at=release.published_at.isoformat(),
        metrics=dict(release.metrics),
        experiment=ExperimentAnswer(
            mode=held.experiment.mode,
            challenger_share=held.experiment.share,
            challenger_model_version=challenger.release.model_version if challenger else None,
            challenger_metrics=dict(challenger.release.metrics) if challenger else {},
        ),
    )
