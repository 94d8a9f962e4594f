"""Parsing of logged forecasts: rows of the service's log and saved scenarios, each question once.

Turns the JSON of logged forward answers into rows as described in `forecast_rows`, and saved scenarios into
`SavedScenario`. Unreadable JSON is counted and skipped; answers made after their month arrived are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pandas as pd

from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.monitoring.accuracy.error_decomposition import SavedScenario
from studio_pipeline.monitoring.accuracy.forecast_rows import (
    TYPES,
    bound_names,
    last_of_each,
    moment,
    together,
)
from studio_pipeline.monitoring.accuracy.scored_forecasts import Arrivals
from studio_pipeline.panel.frames import empty_table

ROWS_AT_ONCE = 400_000
"""Rows collected before duplicates of the same question are removed."""

_MONTHS = tuple(f"month_{number}" for number in range(1, MAX_HORIZON_MONTHS + 1))


@dataclass(frozen=True)
class AskedForecasts:
    """Forecasts read from the log."""

    rows: pd.DataFrame  # forecasts made before their month arrived, each question once
    n_answers: int
    n_unreadable: int  # of the answers read, those whose JSON was not that of a forward answer
    n_late: int  # rows left out, as their month was known when they were made
    latest: datetime | None  # time at which the last of the answers was made; None without any


def asked_forecasts(batches: Iterable[Sequence[Any]], arrivals: Arrivals) -> AskedForecasts:
    """Read batches of logged answers; memory holds the distinct questions and `ROWS_AT_ONCE` more rows."""
    kept, in_hand, waiting = [], 0, 0
    n_answers = n_unreadable = n_late = 0
    latest: datetime | None = None
    for batch in batches:
        rows, unreadable = _rows_of(batch)
        n_answers, n_unreadable = n_answers + len(batch), n_unreadable + unreadable
        newest = moment(max(row.made_at for row in batch))
        latest = newest if latest is None else max(latest, newest)
        foreseen = arrivals.foreseen(rows)
        n_late += int((~foreseen).sum())
        kept.append(rows[foreseen])
        waiting += len(kept[-1])
        if waiting > max(ROWS_AT_ONCE, in_hand):
            kept = [last_of_each(together(kept))]
            in_hand, waiting = len(kept[0]), 0
    return AskedForecasts(last_of_each(together(kept)), n_answers, n_unreadable, n_late, latest)


def given_levers(request: Mapping[str, Any]) -> str:
    """Levers and lever plan of a forward request as canonical JSON; "" where all are free."""
    if not request.get("levers") and not request.get("lever_plan"):
        return ""
    levers = {name: value for name, value in (request.get("levers") or {}).items() if value is not None}
    steps = [
        {**step, "levers": {name: value for name, value in step["levers"].items() if value is not None}}
        for step in request.get("lever_plan") or []
    ]
    steps = [step for step in steps if step["levers"]]
    if not levers and not steps:
        return ""
    return orjson.dumps({"levers": levers, "lever_plan": steps}, option=orjson.OPT_SORT_KEYS).decode()


def _rows_of(batch: Sequence[Any]) -> tuple[pd.DataFrame, int]:
    """Rows of a batch's answers, and the number of answers that could not be read.

    A studio without history has no actual months, so its answers give no rows.
    """
    lines: list[dict[str, Any]] = []
    unreadable = 0
    for row in batch:
        try:
            levers, answer = given_levers(orjson.loads(row.inputs)), orjson.loads(row.outputs)
            months = {} if answer["history_months"] == 0 else answer["predictions"]
            made = {name: getattr(row, name) for name in ("role", "model_version", "studio_id", "base_month")}
            made |= {"source": "asked", "made_at": moment(row.made_at), "levers": levers}
            of_answer = []
            for horizon, name in enumerate(_MONTHS[: len(months)], start=1):
                bounds = {
                    bound: float(value)
                    for level, ends in months[name]["intervals"].items()
                    for bound, value in zip(bound_names(float(level)), ends, strict=True)
                }
                revenue = float(months[name]["revenue"])
                of_answer.append({**made, "horizon": horizon, "revenue": revenue, **bounds})
        except (ValueError, TypeError, KeyError, AttributeError):
            unreadable += 1
            continue
        lines += of_answer
    return (pd.DataFrame(lines).astype(TYPES) if lines else empty_table(TYPES)), unreadable


def saved_scenarios(rows: Iterable[Any]) -> tuple[list[SavedScenario], int]:
    """Parse scenarios of studios with history; returns them and the number of unreadable rows."""
    found, unreadable = [], 0
    for row in rows:
        try:
            request, answer = orjson.loads(row.request), orjson.loads(row.answer)
            if answer["history_months"] == 0:
                continue
            months = answer["predictions"]
            predicted = [float(months[f"month_{number}"]["revenue"]) for number in range(1, len(months) + 1)]
            given = orjson.loads(given_levers(request) or "{}")
            steps = [LeverStep(step["from_month"], step["levers"]) for step in given.get("lever_plan", [])]
            query = ForwardQuery(
                row.studio_id,
                base_month=np.datetime64(row.base_month, "M"),
                projection_months=len(predicted),
                levers=given.get("levers", {}),
                lever_plan=tuple(steps),
            )
            found.append(SavedScenario(row.id, row.name, query, row.model_version, np.array(predicted)))
        except (ValueError, TypeError, KeyError, AttributeError):
            unreadable += 1
    return found, unreadable
