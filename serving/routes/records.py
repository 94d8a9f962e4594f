"""`/studios/{studio_id}/records`: what the service has kept of a studio, deleted on request."""

from __future__ import annotations

from fastapi import APIRouter, Request

from serving.context import services_of, visible_studios
from serving.guards.strict_route import StrictRoute
from serving.schemas.common import StudioId, problems
from serving.schemas.records import DeletedRecordsAnswer

router = APIRouter(prefix="/studios", tags=["studios"], route_class=StrictRoute)


@router.delete("/{studio_id:path}/records", responses=problems(401, 403, 422, 503))
async def delete_records(studio_id: StudioId, request: Request) -> DeletedRecordsAnswer:
    """Delete a studio's saved scenarios and logged predictions for good, also of one without months here."""
    visible_studios(request).require(studio_id)
    services = services_of(request)
    deleted = await services.database.run_writing(services.records.delete, studio_id)
    return DeletedRecordsAnswer(studio_id=studio_id, **vars(deleted))
