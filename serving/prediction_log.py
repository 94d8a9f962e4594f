"""The log of predictions: an answer is noted in memory at once, and written in the background."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal


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
    role: Literal["champion", "challenger"] = "champion"


class PredictionLog:
    """Takes predictions without ever holding up or failing an answer."""

    def __init__(self) -> None:
        self._queue: dict[str, LoggedPrediction] = {}

    def add(self, entry: LoggedPrediction) -> None:
        """Note one prediction; it never waits and never raises."""
        self._queue[entry.id] = entry

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        """A prediction by its id, also one that another process has just made."""
        return self._queue.get(prediction_id)
