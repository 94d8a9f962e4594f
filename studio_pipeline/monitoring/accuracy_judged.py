"""Forecasts beside what then happened: with all levers free, or with levers that were carried out."""

from __future__ import annotations

import numpy as np
import orjson
import pandas as pd

from studio_pipeline.forecasting.bounds import LEVER_BOUNDS, START_LEVER
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.monitoring.accuracy_arrivals import Arrivals
from studio_pipeline.monitoring.accuracy_rules import AccuracyRules
from studio_pipeline.panel.arrays import BoolArray, FloatArray
from studio_pipeline.panel.columns import LEVER_COLUMNS

_ROWS_AT_ONCE = 200_000
_PLACES = {name: place for place, name in enumerate(LEVER_COLUMNS)}


def judged(rows: pd.DataFrame, arrivals: Arrivals, rules: AccuracyRules) -> pd.DataFrame:
    """The forecasts whose month has arrived, with what happened.

    Returns:
        The rows with `actual` (currency), `month_year`, `expected_by_naive` (currency: what a month has moved
        by on average in the studio up to the base month) and `kind`: "free", or "carried_out" where levers
        were given and the months up to the forecast one then had them. Levers that were not carried out, or
        of which the months say nothing, are left out: they tell nothing of the model.
    """
    actual = arrivals.actual(rows)
    found = rows.assign(actual=actual)[np.isfinite(actual)]
    free = (found["levers"] == "").to_numpy()
    keep = free.copy()
    keep[~free] = _carried_out(found[~free], arrivals, rules)
    found = found.assign(kind=np.where(free, "free", "carried_out"))[keep]
    bases = found["base_month"].to_numpy().astype("datetime64[M]")
    months = (bases + found["horizon"].to_numpy(np.int64)).astype("datetime64[ns]")
    found = found.assign(month_year=months, expected_by_naive=_usual_moves(found, arrivals))
    return found.reset_index(drop=True)


def _usual_moves(found: pd.DataFrame, arrivals: Arrivals) -> np.ndarray:
    """(N,) mean absolute move from one month to the next, up to each base month; NaN where none is known."""
    moves = np.abs(np.diff(arrivals.panel.values["total_revenue"], axis=1, prepend=np.nan))
    known = np.isfinite(moves)
    sums, counts = np.cumsum(np.where(known, moves, 0.0), 1), np.cumsum(known, 1)
    studios, columns = arrivals.places(found)
    columns = np.maximum(columns - found["horizon"].to_numpy(np.int64), 0)
    count = counts[studios, columns]
    unknown = np.full(len(found), np.nan)
    return np.asarray(np.divide(sums[studios, columns], count, out=unknown, where=count > 0))


def _carried_out(found: pd.DataFrame, arrivals: Arrivals, rules: AccuracyRules) -> BoolArray:
    """(N,) whether the given levers were those of the months up to the forecast one."""
    code, texts = pd.factorize(found["levers"])
    paths = np.array([_paths(text) for text in texts]).reshape(
        len(texts), len(LEVER_COLUMNS), MAX_HORIZON_MONTHS
    )
    answer = [
        _chunk_carried_out(
            found[first : first + _ROWS_AT_ONCE], paths[code[first : first + _ROWS_AT_ONCE]], arrivals, rules
        )
        for first in range(0, len(found), _ROWS_AT_ONCE)
    ]
    return np.concatenate(answer) if answer else np.zeros(0, dtype=bool)


def _chunk_carried_out(
    found: pd.DataFrame, paths: FloatArray, arrivals: Arrivals, rules: AccuracyRules
) -> BoolArray:
    """The same of some rows with their (N, 8, 12) paths in the order of `LEVER_COLUMNS`."""
    panel, horizon = arrivals.panel, found["horizon"].to_numpy(np.int64)[:, None]
    studios, columns = arrivals.places(found)
    base = columns[:, None] - horizon
    months = np.arange(1, paths.shape[2] + 1)
    answer = base[:, 0] >= 0
    for place, (name, column) in enumerate(LEVER_COLUMNS.items()):
        given = paths[:, place]
        asked = np.isfinite(given) & (months <= horizon)
        if not asked.any():
            continue
        then = base + (0 if name == START_LEVER else months)
        real = panel.values[column][studios[:, None], np.clip(then, 0, panel.n_months - 1)]
        room = rules.rate_tolerance if LEVER_BOUNDS[name].is_rate else rules.lever_tolerance * np.abs(given)
        with np.errstate(invalid="ignore"):
            answer &= ((np.abs(real - given) <= room) | ~asked).all(axis=1)
    return np.asarray(answer)


def _paths(text: str) -> FloatArray:
    """(8, 12) given values in the order of `LEVER_COLUMNS`, NaN where free, of the JSON of a row."""
    given = orjson.loads(text)
    steps = [(1, given["levers"]), *((step["from_month"], step["levers"]) for step in given["lever_plan"])]
    paths = np.full((len(LEVER_COLUMNS), MAX_HORIZON_MONTHS), np.nan)
    for first, levers in sorted(steps, key=lambda step: step[0]):
        for name, value in levers.items():
            paths[_PLACES[name], first - 1 :] = value
    return paths
