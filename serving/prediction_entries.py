"""From an answer to its entry in the log of predictions."""

from __future__ import annotations

from datetime import UTC, date, datetime

from serving.logged_prediction import LoggedPrediction
from serving.schemas.forward import ForwardRequest
from studio_pipeline.publishing.releases import Release


def forward_entry(
    release: Release, body: ForwardRequest, scenario_id: str, base_month: date, content: bytes
) -> LoggedPrediction:
    """The entry of a forward answer, made now.

    Args:
        release: that answered.
        body: the request; what it left out is left out here.
        scenario_id: of the answer.
        base_month: the last known month of the answer, its first day.
        content: the answer, JSON.
    """
    return LoggedPrediction(
        id=scenario_id,
        kind="forward",
        studio_id=body.studio_id,
        base_month=base_month,
        inputs=body.model_dump_json(exclude_unset=True).encode(),
        outputs=content,
        made_at=datetime.now(UTC),
        release_version=release.version,
        model_version=release.model_version,
        data_version=release.data_version,
    )
