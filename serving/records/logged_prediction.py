"""One prediction as the log keeps it, and as one line of JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import orjson

from serving.experiment import Role


@dataclass(frozen=True, slots=True)
class LoggedPrediction:
    """One answered prediction.

    Attributes:
        id: `scenario_id` or `optimization_id` of the answer.
        kind: of the route that answered.
        studio_id: the studio asked for.
        base_month: the last known month that the answer rests on, its first day.
        inputs: the request, JSON.
        outputs: the answer, JSON.
        made_at: when it was answered, with time zone.
        release_version: number of the release that answered.
        model_version: the model that answered.
        data_version: the data that it answered from.
        role: `challenger` for one that nobody was shown.
    """

    id: str
    kind: Literal["forward", "inverse"]
    studio_id: str
    base_month: date
    inputs: bytes
    outputs: bytes
    made_at: datetime
    release_version: int
    model_version: str
    data_version: str
    role: Role = "champion"


def to_line(entry: LoggedPrediction) -> bytes:
    """One JSON object on one line, without the line's end."""
    return orjson.dumps(
        {
            "id": entry.id,
            "kind": entry.kind,
            "studio_id": entry.studio_id,
            "base_month": entry.base_month,
            "inputs": orjson.Fragment(entry.inputs),
            "outputs": orjson.Fragment(entry.outputs),
            "made_at": entry.made_at,
            "release_version": entry.release_version,
            "model_version": entry.model_version,
            "data_version": entry.data_version,
            "role": entry.role,
        }
    )


def from_line(line: bytes) -> LoggedPrediction | None:
    """The prediction of a line; None for a line that is torn, or none of ours."""
    try:
        fields = orjson.loads(line)
        return LoggedPrediction(
            **{
                **fields,
                "base_month": date.fromisoformat(fields["base_month"]),
                "inputs": orjson.dumps(fields["inputs"]),
                "outputs": orjson.dumps(fields["outputs"]),
                "made_at": datetime.fromisoformat(fields["made_at"]),
            }
        )
    except (ValueError, TypeError, KeyError):
        return None
