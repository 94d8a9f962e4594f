"""From rows of the service's table of scenarios to the questions that they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from studio_pipeline.forecasting.queries import ForwardQuery, LeverStep
from studio_pipeline.monitoring.accuracy_asked import given_levers
from studio_pipeline.monitoring.accuracy_misses import SavedScenario


def saved_scenarios(rows: Iterable[Any]) -> tuple[list[SavedScenario], int]:
    """The scenarios of studios with history, and how many rows could not be read."""
    found, unreadable = [], 0
    for row in rows:
        try:
            scenario = _scenario(row)
        except (ValueError, TypeError, KeyError, AttributeError):
            unreadable += 1
            continue
        if scenario is not None:
            found.append(scenario)
    return found, unreadable


def _scenario(row: Any) -> SavedScenario | None:
    request, answer = orjson.loads(row.request), orjson.loads(row.answer)
    if answer["history_months"] == 0:
        return None
    months = answer["predictions"]
    predicted = [float(months[f"month_{number}"]["revenue"]) for number in range(1, len(months) + 1)]
    given = orjson.loads(given_levers(request) or "{}")
    steps = tuple(LeverStep(step["from_month"], step["levers"]) for step in given.get("lever_plan", []))
    query = ForwardQuery(
        row.studio_id,
        base_month=np.datetime64(row.base_month, "M"),
        projection_months=len(predicted),
        levers=given.get("levers", {}),
        lever_plan=steps,
    )
    return SavedScenario(row.id, row.name, query, row.model_version, np.array(predicted))
