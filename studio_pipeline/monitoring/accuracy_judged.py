"""Forecasts beside what then happened: with all levers free, or with levers that were carried out."""

from __future__ import annotations

import numpy as np
import orjson
import pandas as pd

from studio_pipeline.forecasting.bounds import LEVER_BOUNDS, START_LEVER
from studio_pipeline.forecasting.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.requests import lever_lists
from studio_pipeline.monitoring.accuracy_arrivals import Arrivals
from studio_pipeline.monitoring.accuracy_rules import AccuracyRules
from studio_pipeline.panel.arrays import BoolArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS


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
    keep[~free] = _carried_out(found[~free], arrivals.panel, rules)
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


def _carried_out(found: pd.DataFrame, panel: StudioPanel, rules: AccuracyRules) -> BoolArray:
    """(N,) whether the given levers were those of the months up to the forecast one."""
    paths = {text: _paths(text) for text in found["levers"].unique()}
    answer = np.zeros(len(found), dtype=bool)
    places = zip(found["studio_id"], found["base_month"], found["horizon"], found["levers"], strict=True)
    for place, (studio, base, horizon, text) in enumerate(places):
        row = panel.rows[studio]
        column = panel.column_of(np.datetime64(base, "M"))
        answer[place] = column >= 0 and all(
            _is_near(name, path[:horizon], panel.values[LEVER_COLUMNS[name]][row], column, rules)
            for name, path in paths[text].items()
        )
    return answer


def _is_near(name: str, given: np.ndarray, values: np.ndarray, column: int, rules: AccuracyRules) -> bool:
    """Whether a studio's (T,) values after a column (of the starting point: in it) are those given."""
    if name == START_LEVER:
        then, given = values[column][None], given[:1]
    else:
        then = values[column + 1 : column + 1 + len(given)]
    wanted = np.isfinite(given)
    off = np.abs(then - given)
    room = rules.rate_tolerance if LEVER_BOUNDS[name].is_rate else rules.lever_tolerance * np.abs(given)
    return bool((off <= room)[wanted].all())


def _paths(text: str) -> dict[str, np.ndarray]:
    """Lever to its (12,) given values, NaN where free, of the JSON of a row."""
    given = orjson.loads(text)
    steps = tuple(LeverStep(step["from_month"], step["levers"]) for step in given["lever_plan"])
    lists = lever_lists(ForwardQuery("", levers=given["levers"], lever_plan=steps))
    return {name: np.array(path) for name, path in lists.items()}
