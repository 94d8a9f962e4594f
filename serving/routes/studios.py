"""`/studios`: list of studios, the months of one, and deletion of its records."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from serving.answers.history import describe_studios, studio_history
from serving.answers.replies import FastJSONResponse
from serving.routes.requests import Context, StrictRoute
from serving.schemas.common import NOT_FOUND, StudioId
from serving.schemas.resources import DeletedRecordsAnswer, HistoryAnswer, HistoryRange, StudiosAnswer

router = APIRouter(prefix="/studios", tags=["studios"], route_class=StrictRoute)


@router.get("")
def list_studios(context: Context) -> StudiosAnswer:
    """All studios that the caller may see, with their months."""
    held = context.services.store.require()
    found = describe_studios(held.forecaster.panel)
    visible = [entry for entry in found if context.caller.visible.allows(entry.studio_id)]
    return StudiosAnswer(data_version=held.release.data_version, studios=visible)


@router.get("/{studio_id:path}/history", response_model=HistoryAnswer, responses=NOT_FOUND)
async def show_history(
    studio_id: str, wanted: Annotated[HistoryRange, Query()], context: Context
) -> FastJSONResponse:
    """A studio's months as the service holds them, and what follows from them."""
    context.caller.visible.require(studio_id)
    held = context.services.store.require()
    history = studio_history(held.forecaster.panel, studio_id, wanted)
    return FastJSONResponse({"data_version": held.release.data_version, **history})


@router.delete("/{studio_id:path}/records")
async def delete_records(studio_id: StudioId, context: Context) -> DeletedRecordsAnswer:
    """Delete a studio's saved scenarios and logged predictions for good, also of one without months here."""
    context.caller.visible.require(studio_id)
    deleted = await context.services.database.run_writing(context.services.records.delete, studio_id)
    return DeletedRecordsAnswer(studio_id=studio_id, **deleted)
