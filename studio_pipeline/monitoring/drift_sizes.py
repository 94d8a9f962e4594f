"""How large a change is, on the scale on which people speak of it, and which studios it hit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.monitoring.drift_alarms import Alarm
from studio_pipeline.monitoring.drift_charts import (
    ALL,
    RESPONSE,
    SOME,
    Charts,
    Watched,
    group_month_paths,
    response_slopes,
)
from studio_pipeline.monitoring.drift_series import RATES, in_units
from studio_pipeline.monitoring.drift_statistics import affected_chance
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

STUDIO_COLUMNS: dict[str, str] = {
    "alarm": "The alarm that points to the studio.",
    "studio_id": "The studio.",
    "studio_type": "Its type.",
    "chance": "Chance that the change hit it, 0.5 to 1.",
    "size": "Size of the change: points (a share) of a rate, else relative to what was expected.",
    "unit": "points or relative.",
    "since": "Month in which the change most likely began.",
}
LONGEST_MONTHS = 12


def unit_of(alarm: Alarm) -> str:
    """Points of a rate where single studios are hit, else relative."""
    is_rate = alarm.chart.series in RATES and alarm.chart.kind in (SOME, ALL)
    return "points" if is_rate else "relative"


def studios_hit(alarm: Alarm, charts: Charts, panel: StudioPanel, until: int) -> pd.DataFrame:
    """Studios that an alarm about some of them points to, the surest first, as `STUDIO_COLUMNS`."""
    if alarm.chart.kind != SOME:
        return pd.DataFrame({name: pd.Series([], dtype=object) for name in STUDIO_COLUMNS})
    series = charts.watched[alarm.chart.series]
    months = slice(alarm.since, min(until, alarm.since + LONGEST_MONTHS - 1) + 1)
    scores = series.scores[:, months]
    counts = np.isfinite(scores).sum(1)
    sums = alarm.direction * np.nansum(scores, axis=1) / np.sqrt(np.maximum(counts, 1))
    chances = affected_chance(sums)
    order = np.argsort(-sums, kind="stable")
    rows = order[chances[order] > 0.5]
    return pd.DataFrame(
        {
            "alarm": "",
            "studio_id": panel.studio_ids[rows].astype(object),
            "studio_type": panel.studio_types[rows].astype(object),
            "chance": chances[rows],
            "size": _steps(series, months)[rows],
            "unit": unit_of(alarm),
            "since": panel.months[alarm.since].astype("datetime64[ns]"),
        }
    )


def _steps(series: Watched, months: slice) -> FloatArray:
    """(S,) least-squares size of a step at the first of these months, in the series' unit.

    A level that follows by the share `a` a month leaves (1 - a)^j of a step in the j-th surprise after it.
    """
    own = series.surprises.own[:, months]
    left = np.concatenate([[1.0], np.cumprod(1 - series.surprises.smoothing[months][:-1])])
    known = np.isfinite(own)
    weights = np.where(known, left, 0.0)
    power = (weights**2).sum(1)
    cross = np.where(known, own, 0.0) * weights
    step = np.divide(cross.sum(1), power, out=np.full(len(own), np.nan), where=power > 0)
    values = series.values[:, months]
    count = np.isfinite(values).sum(1)
    level = np.divide(np.nansum(values, axis=1), count, out=np.full(len(own), np.nan), where=count > 0)
    return in_units(series.name, step, level)


def common_size(alarm: Alarm, charts: Charts, until: int) -> float:
    """Size of a change that is no single studio's: of the path, the scatter or the response; NaN if unknown.

    A path is held against the same months a year before, a response against its slope in all months before.
    """
    series = charts.watched[alarm.chart.series]
    since, end = alarm.since, min(until, alarm.since + LONGEST_MONTHS - 1) + 1
    if alarm.chart.kind == RESPONSE:
        slopes = response_slopes(charts.watched[alarm.chart.lever], series)
        before, after = slopes.slope(0, since), slopes.slope(since, until + 1)
        return after / before - 1 if before else float("nan")
    if alarm.chart.kind == ALL:
        return _path_size(series, alarm, since, end)
    spread = np.nanmean(np.abs(series.scores[:, since:end])), np.nanmean(np.abs(series.scores[:, :since]))
    return float(spread[0] / spread[1] - 1)


def _path_size(series: Watched, alarm: Alarm, since: int, end: int) -> float:
    path = group_month_paths(series.surprises)[alarm.where + 1]
    if since < LONGEST_MONTHS:
        return float("nan")
    change = float(np.nanmean(path[since:end] - path[since - LONGEST_MONTHS : end - LONGEST_MONTHS]))
    level = float(np.nanmedian(series.values[:, since:end]))
    return float(in_units(series.name, np.asarray(change), np.asarray(level)))
