"""From logged answers to rows of forecasts, batch after batch, each question kept once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pandas as pd

from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.monitoring.accuracy_arrivals import Arrivals
from studio_pipeline.monitoring.accuracy_log import moment
from studio_pipeline.monitoring.accuracy_rows import bound_names, last_of_each, together

ROWS_AT_ONCE = 400_000
"""Rows in hand before those of the same question are thrown out."""

_MONTHS = tuple(f"month_{number}" for number in range(1, MAX_HORIZON_MONTHS + 1))


@dataclass(frozen=True)
class AskedForecasts:
    """What a look at the log has brought.

    Attributes:
        rows: forecasts made before their month arrived, each question once.
        n_answers: logged answers read.
        n_unreadable: of them, those whose JSON was not that of a forward answer.
        n_late: rows left out, as their month was known when they were made.
        latest: when the last of the answers was made; None without any.
    """

    rows: pd.DataFrame
    n_answers: int
    n_unreadable: int
    n_late: int
    latest: datetime | None


def asked_forecasts(batches: Iterable[Sequence[Any]], arrivals: Arrivals) -> AskedForecasts:
    """Reads batches of logged answers; memory holds the distinct questions and `ROWS_AT_ONCE` more."""
    kept, in_hand, waiting = [], 0, 0
    n_answers = n_unreadable = n_late = 0
    latest: datetime | None = None
    for batch in batches:
        rows, unreadable = _rows_of(batch)
        n_answers, n_unreadable = n_answers + len(batch), n_unreadable + unreadable
        made = [moment(row.made_at) for row in batch]
        latest = max([*made, *([latest] if latest else [])], default=None)
        foreseen = arrivals.foreseen(rows)
        n_late += int((~foreseen).sum())
        kept.append(rows[foreseen])
        waiting += len(kept[-1])
        if waiting > max(ROWS_AT_ONCE, in_hand):
            kept = [last_of_each(together(kept))]
            in_hand, waiting = len(kept[0]), 0
    return AskedForecasts(last_of_each(together(kept)), n_answers, n_unreadable, n_late, latest)


def given_levers(request: Mapping[str, Any]) -> str:
    """The levers and the plan of a forward request as JSON, the same for the same; "" where all are free."""
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
    """Rows of a batch's answers, and how many of them could not be read."""
    columns: dict[str, list[Any]] = {name: [] for name in ("answer", "horizon", "revenue")}
    bounds: dict[float, list[tuple[int, float, float]]] = {}
    levers: dict[int, str] = {}
    for place, row in enumerate(batch):
        try:
            levers[place] = given_levers(orjson.loads(row.inputs))
            months = list(_months(orjson.loads(row.outputs)))
        except (ValueError, TypeError, KeyError, AttributeError):
            levers.pop(place, None)
            continue
        for horizon, revenue, intervals in months:
            for level, (low, high) in intervals.items():
                bounds.setdefault(float(level), []).append((len(columns["answer"]), low, high))
            columns["answer"].append(place)
            columns["horizon"].append(horizon)
            columns["revenue"].append(revenue)
    if not columns["answer"]:
        return together([]), len(batch) - len(levers)
    of = np.array(columns["answer"])
    frame = pd.DataFrame(
        {
            "source": "asked",
            **{name: _column(batch, name)[of] for name in ("role", "model_version", "studio_id")},
            "base_month": _column(batch, "base_month").astype("datetime64[ns]")[of],
            "horizon": np.array(columns["horizon"], np.int64),
            "made_at": np.array([moment(row.made_at) for row in batch], "datetime64[ns]")[of],
            "levers": np.array([levers.get(place, "") for place in range(len(batch))], object)[of],
            "revenue": np.array(columns["revenue"], np.float64),
        }
    )
    return frame.assign(**_bound_columns(bounds, len(of))), len(batch) - len(levers)


def _months(answer: Mapping[str, Any]) -> Iterator[tuple[int, float, Mapping[str, tuple[float, float]]]]:
    """Horizon, revenue and intervals by level of each projected month; none for a studio without history."""
    if answer["history_months"] == 0:
        return
    predicted = answer["predictions"]
    for horizon, name in enumerate(_MONTHS, start=1):
        if name in predicted:
            month = predicted[name]
            yield horizon, float(month["revenue"]), month["intervals"]


def _column(batch: Sequence[Any], name: str) -> np.ndarray:
    return np.array([getattr(row, name) for row in batch], object)


def _bound_columns(bounds: Mapping[float, list[tuple[int, float, float]]], n: int) -> dict[str, np.ndarray]:
    columns = {}
    for level, found in bounds.items():
        places, low, high = zip(*found, strict=True)
        for name, values in zip(bound_names(level), (low, high), strict=True):
            columns[name] = np.full(n, np.nan)
            columns[name][list(places)] = values
    return columns
