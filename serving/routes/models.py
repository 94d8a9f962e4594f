"""`/models`: the models that were published, and the release that answers."""

from __future__ import annotations

from fastapi import APIRouter, Request

from serving.context import held_release, store_of
from serving.guards.strict_route import StrictRoute
from serving.model_store import HeldRelease
from serving.schemas.common import problems
from serving.schemas.models import CurrentModelAnswer, ExperimentAnswer, ModelEntry, ModelsAnswer

router = APIRouter(prefix="/models", tags=["models"], route_class=StrictRoute)


@router.get("", responses=problems(401, 403, 422))
def list_models(request: Request) -> ModelsAnswer:
    """All model versions, oldest first."""
    store = store_of(request)
    held = store.held
    answering = held.release.model_version if held else None
    return ModelsAnswer(
        models=[
            ModelEntry(
                model_version=version,
                created_at=manifest.created_at,
                answering=version == answering,
                details=dict(manifest.details),
            )
            for version, manifest in store.manifests().items()
        ]
    )


@router.get("/current", responses=problems(401, 403, 422, 503))
async def current_model(request: Request) -> CurrentModelAnswer:
    """The release that answers: its model, its data, its run and its figures."""
    held = held_release(request)
    release = held.release
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
        experiment=_experiment(held),
    )


def _experiment(held: HeldRelease) -> ExperimentAnswer:
    challenger = held.challenger
    return ExperimentAnswer(
        mode=held.experiment.mode,
        challenger_share=held.experiment.share,
        challenger_model_version=challenger.release.model_version if challenger else None,
        challenger_metrics=dict(challenger.release.metrics) if challenger else {},
    )
