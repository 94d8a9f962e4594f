"""`/health`: what is really reachable now."""

from __future__ import annotations

from fastapi import APIRouter, Request

from serving.context import services_of
from serving.database.health import PROBLEMS
from serving.model_store import HeldRelease
from serving.schemas.common import problems
from serving.schemas.health import HealthAnswer, HealthRelease

router = APIRouter(tags=["health"])


@router.get("/health", responses=problems(403))
async def health(request: Request) -> HealthAnswer:
    """Whether a model answers, which one, what can be reached, and what is wrong where something is."""
    services = services_of(request)
    held, database = services.store.held, await services.database_health.state()
    problem = " ".join(filter(None, (services.store.problem, PROBLEMS[database]))) or None
    return HealthAnswer(
        status="no_model" if held is None else "degraded" if problem else "healthy",
        model_version=held.release.model_version if held else None,
        model_features=len(held.forecaster.model.feature_names) if held else None,
        database=database,
        cache="not used",
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
