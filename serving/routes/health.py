"""`/health`: what is really reachable now."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request

from serving.cache.answer_cache import CacheState, state_of
from serving.context import services_of
from serving.database.health import PROBLEMS
from serving.model_store import HeldRelease
from serving.schemas.common import problems
from serving.schemas.health import HealthAnswer, HealthRelease

router = APIRouter(tags=["health"])

_CACHE_PROBLEMS: Mapping[CacheState, str] = {
    "unreachable": "Redis does not answer, so that no answers are kept; forecasts go on. Start it again,"
    " or correct STUDIO_REDIS_URL.",
}


@router.get("/health", responses=problems(403))
async def health(request: Request) -> HealthAnswer:
    """Whether a model answers, which one, and what is not as it should be."""
    services = services_of(request)
    held, cache = services.store.held, await state_of(services.cache)
    database = await services.database_health.state()
    told = (services.store.problem, PROBLEMS[database], _CACHE_PROBLEMS.get(cache))
    problem = " ".join(filter(None, told)) or None
    return HealthAnswer(
        status="no_model" if held is None else "degraded" if problem else "healthy",
        model_version=held.release.model_version if held else None,
        model_features=len(held.forecaster.model.feature_names) if held else None,
        database=database,
        cache=cache,
        release=_describe(held) if held else None,
        problem=problem,
    )


def _describe(held: HeldRelease) -> HealthRelease:
    release = held.release
    return HealthRelease(
        version=release.version,
        data_version=release.data_version,
        last_month=release.last_month.isoformat(),
        published_at=release.published_at.isoformat(),
    )
