"""Scored forecasts: forecasts joined with the actual revenue of months that have arrived.

`Arrivals` is the validated panel with the time at which each month was first seen. `judged` keeps the
forecasts whose month has arrived and, under given levers, only those whose levers were carried out. Forecasts
are read in `forecast_rows` and `logged_forecasts`; errors are summed in `record`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, START_LEVER
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.monitoring.thresholds import AccuracyConfig
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.panel.frames import panel_from_frame


@dataclass(frozen=True)
class Arrivals:
    """A panel with the arrival time of each of its months.

    Attributes:
        panel: S studios over T months.
        first_seen: (S, T) datetime64[ns], UTC; NaT where the month is missing.
    """

    panel: StudioPanel
    first_seen: NDArray[np.datetime64]

    def places(self, rows: pd.DataFrame) -> tuple[IntArray, IntArray]:
        """(N,) row and column of each forecast's month in the panel; -1, -1 where it has not arrived."""
        names = pd.Index(self.panel.studio_ids.astype(object))
        studios = names.get_indexer(pd.Index(rows["studio_id"]))
        bases = rows["base_month"].to_numpy().astype("datetime64[M]")
        first = self.panel.first_month.astype("datetime64[M]")
        columns = (bases - first).astype(np.int64) + rows["horizon"].to_numpy(np.int64)
        inside = (studios >= 0) & (columns >= 0) & (columns < self.panel.n_months)
        known = np.zeros(len(rows), dtype=bool)
        known[inside] = self.panel.known[studios[inside], columns[inside]]
        return np.where(known, studios, -1), np.where(known, columns, -1)

    def foreseen(self, rows: pd.DataFrame) -> BoolArray:
        """(N,) true where a forecast was made before its month arrived, or the month has not arrived yet."""
        studios, columns = self.places(rows)
        seen = self.first_seen[studios, columns]
        return np.asarray((studios < 0) | np.isnat(seen) | (rows["made_at"].to_numpy() < seen))

    def actual(self, rows: pd.DataFrame) -> FloatArray:
        """(N,) revenue of each forecast's month, currency; NaN where it has not arrived yet."""
        studios, columns = self.places(rows)
        revenue = self.panel.values["total_revenue"][studios, columns]
        return np.where(studios >= 0, revenue, np.nan)


def arrivals_of(months: pd.DataFrame) -> Arrivals:
    """Build arrivals from validated months: columns of the contract, and `first_seen`.

    Raises:
        NoUsableDataError: the table has no rows.
    """
    panel = panel_from_frame(months)
    first_seen = np.full((panel.n_studios, panel.n_months), np.datetime64("NaT", "ns"))
    rows = pd.Index(panel.studio_ids.astype(object)).get_indexer(pd.Index(months["studio_id"].astype(str)))
    of_month = months["month_year"].to_numpy().astype("datetime64[M]")
    columns = (of_month - panel.first_month.astype("datetime64[M]")).astype(np.int64)
    first_seen[rows, columns] = months["first_seen"].to_numpy().astype("datetime64[ns]")
    return Arrivals(panel, first_seen)


_ROWS_AT_ONCE = 200_000
_PLACES = {name: place for place, name in enumerate(LEVER_COLUMNS)}


def judged(rows: pd.DataFrame, arrivals: Arrivals, rules: AccuracyConfig) -> pd.DataFrame:
    """Join the forecasts whose month has arrived with its actual revenue.

    Returns:
        The rows with `actual` (currency), `month_year`, `expected_by_naive` (currency: the studio's mean
        absolute month-to-month change up to the base month) and `kind`: "free", or "carried_out" where levers
        were given and the months up to the forecast one had these values. Forecasts whose levers were not
        carried out, or are missing from the months, are left out: their error does not measure the model.
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
    """(N,) mean absolute month-to-month change up to each base month; NaN where none is known."""
    moves = np.abs(np.diff(arrivals.panel.values["total_revenue"], axis=1, prepend=np.nan))
    known = np.isfinite(moves)
    sums, counts = np.cumsum(np.where(known, moves, 0.0), 1), np.cumsum(known, 1)
    studios, columns = arrivals.places(found)
    columns = np.maximum(columns - found["horizon"].to_numpy(np.int64), 0)
    count = counts[studios, columns]
    unknown = np.full(len(found), np.nan)
    return np.asarray(np.divide(sums[studios, columns], count, out=unknown, where=count > 0))


def _carried_out(found: pd.DataFrame, arrivals: Arrivals, rules: AccuracyConfig) -> BoolArray:
    """(N,) true where the months up to the forecast one had the given levers."""
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
    found: pd.DataFrame, paths: FloatArray, arrivals: Arrivals, rules: AccuracyConfig
) -> BoolArray:
    """`_carried_out` for a chunk of rows, with their (N, 8, 12) paths in the order of `LEVER_COLUMNS`."""
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
    """(8, 12) given values in the order of `LEVER_COLUMNS`, NaN where free, from a row's JSON."""
    given = orjson.loads(text)
    steps = [(1, given["levers"]), *((step["from_month"], step["levers"]) for step in given["lever_plan"])]
    paths = np.full((len(LEVER_COLUMNS), MAX_HORIZON_MONTHS), np.nan)
    for first, levers in sorted(steps, key=lambda step: step[0]):
        for name, value in levers.items():
            paths[_PLACES[name], first - 1 :] = value
    return paths
