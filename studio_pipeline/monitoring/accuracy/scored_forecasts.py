"""Scored forecasts beside the months that have arrived, and the accuracy expected from the backtest.

A release stores the backtest's WAPE over months 1, 1 to 3, 1 to 6 and 1 to 12. The WAPE of each single month
ahead follows from a monotone cubic interpolation (PCHIP) of the four cumulative errors. Tables and columns
call the expected error "promised". Live errors are compared with it in `watch`.

Source: Fritsch & Carlson (1980).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS, START_LEVER
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.monitoring.thresholds import AccuracyConfig
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel, ratio
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.panel.frames import panel_from_frame, stacked_tables
from studio_pipeline.publishing.releases import Release


@dataclass(frozen=True)
class Arrivals:
    """A panel and when its months were first seen: (S, T) datetime64[ns], UTC; NaT where one is missing."""

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


def arrivals_of(months: pd.DataFrame) -> Arrivals:
    """Build arrivals from validated months with `first_seen`; NoUsableDataError if there are none."""
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
    studios, columns = arrivals.places(rows)
    actual = np.where(studios >= 0, arrivals.panel.values["total_revenue"][studios, columns], np.nan)
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
    return ratio(sums[studios, columns], counts[studios, columns])


def _carried_out(found: pd.DataFrame, arrivals: Arrivals, rules: AccuracyConfig) -> BoolArray:
    """(N,) true where the months up to the forecast one had the given levers."""
    code, texts = pd.factorize(found["levers"])
    shape = (len(texts), len(LEVER_COLUMNS), MAX_HORIZON_MONTHS)
    paths = np.array([_paths(text) for text in texts]).reshape(shape)
    chunks = [slice(first, first + _ROWS_AT_ONCE) for first in range(0, len(found), _ROWS_AT_ONCE)]
    answer = [_chunk_carried_out(found[rows], paths[code[rows]], arrivals, rules) for rows in chunks]
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


PROMISE_TYPES: dict[str, str] = {
    "model_version": "object",
    "horizon": "int64",
    "wape": "float64",
    "n_studios": "float64",
    "n_months": "float64",
    "error_scatter": "float64",
    "coverage_scatter": "float64",
}
"""`error_scatter`: standard deviation over months of the log of a month's WAPE at one month ahead;
`coverage_scatter`: of the coverage of its 90 % intervals. Both are NaN if missing from the backtest."""

_SPANS = {1: "1", 3: "1-3", 6: "1-6", 12: "1-12"}
PRIOR_MONTHS = 12
PRIOR_ERROR_SCATTER, PRIOR_COVERAGE_SCATTER = 0.2, 0.06
"""Typical scatter of a month's WAPE and coverage; a prior with the weight of `PRIOR_MONTHS` months."""


def promised_wape(metrics: Mapping[str, float]) -> FloatArray:
    """(12,) expected WAPE for each month ahead; NaN beyond the spans that the backtest reached."""
    sums = {h: h * metrics.get(f"revenue_wape_{span}_ensemble", math.nan) for h, span in _SPANS.items()}
    known = {h: total for h, total in sums.items() if math.isfinite(total)}
    if not known:
        return np.full(12, np.nan)
    curve = PchipInterpolator([0, *known], [0.0, *known.values()], extrapolate=False)
    return np.diff(curve(np.arange(13)))


def promises_of(releases: Iterable[Release], kept: pd.DataFrame) -> pd.DataFrame:
    """Expected accuracy of all model versions that are or were published, a row a version and month ahead.

    `kept` is the table of the run before, which also covers removed releases.
    """
    by_version = {release.model_version: release.metrics for release in releases if release.metrics}
    tables = [_promises(version, metrics) for version, metrics in by_version.items()]
    tables.append(kept[~kept["model_version"].isin(by_version)])
    return stacked_tables(tables, PROMISE_TYPES).astype(PROMISE_TYPES)


def _promises(version: str, metrics: Mapping[str, float]) -> pd.DataFrame:
    n_months = metrics.get("n_months", math.nan)
    coverage_error = metrics.get("revenue_coverage_90_1_standard_error", math.nan)
    columns = {
        "model_version": version,
        "horizon": np.arange(1, 13),
        "wape": promised_wape(metrics),
        "n_studios": metrics.get("n_studios", math.nan),
        "n_months": n_months,
        "error_scatter": metrics.get("revenue_error_scatter_1", math.nan),
        "coverage_scatter": coverage_error * math.sqrt(max(n_months, 1)),
    }
    return pd.DataFrame(columns)


def scatter(seen: float, n_months: float, prior: float) -> float:
    """Standard deviation of a new month from the mean of the backtest's `n_months`, shrunk to the prior.

    It includes the uncertainty of the mean, which rests on few months; the prior weighs `PRIOR_MONTHS`.
    """
    counted = max(n_months - 1, 0.0) if math.isfinite(seen + n_months) else 0.0
    squares = counted * (seen if counted else 0.0) ** 2 + PRIOR_MONTHS * prior**2
    return math.sqrt(squares / (counted + PRIOR_MONTHS) * (1 + 1 / max(counted + 1, PRIOR_MONTHS)))
