"""`/studios`: the studios of the data that the service answers from."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request

from serving.answers.forward_json import FastJSONResponse
from serving.answers.studio_histories import studio_history
from serving.context import held_release, visible_studios
from serving.guards.strict_route import StrictRoute
from serving.schemas.common import problems
from serving.schemas.studios import HistoryAnswer, HistoryRange, StudioEntry, StudiosAnswer
from studio_pipeline.panel.arrays import StudioPanel

router = APIRouter(prefix="/studios", tags=["studios"], route_class=StrictRoute)


@router.get("", responses=problems(401, 403, 422, 503))
def list_studios(request: Request) -> StudiosAnswer:
    """All studios that the caller may see, with their months."""
    held, visible = held_release(request), visible_studios(request)
    studios = [entry for entry in describe_studios(held.forecaster.panel) if visible.allows(entry.studio_id)]
    return StudiosAnswer(data_version=held.release.data_version, studios=studios)


@router.get(
    "/{studio_id:path}/history", response_model=HistoryAnswer, responses=problems(401, 403, 404, 422, 503)
)
def show_history(
    studio_id: str, wanted: Annotated[HistoryRange, Query()], request: Request
) -> FastJSONResponse:
    """A studio's months as the service holds them, and what follows from them."""
    visible_studios(request).require(studio_id)
    held = held_release(request)
    history = studio_history(held.forecaster.panel, studio_id, wanted)
    return FastJSONResponse({"data_version": held.release.data_version, **history})


def describe_studios(panel: StudioPanel) -> list[StudioEntry]:
    """One entry a studio with any months, in the panel's order."""
    first_columns, counts = panel.known.argmax(1), np.asarray(panel.known.sum(1))
    has_members = np.asarray(np.isfinite(panel.values["total_members"]).any(1))
    return [
        StudioEntry(
            studio_id=str(panel.studio_ids[row]),
            studio_type=str(panel.studio_types[row]) or None,
            first_month=f"{panel.months[first_columns[row]]}-01",
            last_month=f"{panel.months[panel.last_months[row]]}-01",
            months=int(counts[row]),
            has_members=bool(has_members[row]),
        )
        for row in np.flatnonzero(counts)
    ]
