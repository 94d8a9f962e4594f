"""Watched series of the drift monitor, inputs and forecast errors, with their expected levels.

A studio's own level is an exponentially weighted mean of its distance from its group; a group is a type of at
least `SMALLEST_GROUP` studios, or all others. The group's value of a month is the median over its studios, so
that a common season, market movement or shock does not appear in a single studio's surprise. Surprises are
standardised in `scores`; forecast errors come from `errors`.

Live errors are not used here; they are watched in `monitoring.accuracy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

SMALLEST_GROUP = 8
SMOOTHING = np.array([0.1, 0.2, 0.4, 0.7, 1.0])
"""Candidate weights of the newest month; the one with the smallest mean absolute surprise so far is used."""
PATH_SMOOTHING = 0


@dataclass(frozen=True)
class Surprises:
    """One-step surprises of a series.

    Attributes:
        own: (S, T) a studio's month less its level and its group's month; NaN in its first month. Scaled to
            the same standard deviation whatever the number of months behind a level.
        levels: (S, T) expected values, on the scale of the series.
        smoothing: (T,) weight of the newest month that was in use.
        groups: (S,) index of each studio's group.
        group_paths: (G, T) each group's month, free of changes of its membership.
        group_counts: (G, T) number of studios behind it.
    """

    own: FloatArray
    levels: FloatArray
    smoothing: FloatArray
    groups: IntArray
    group_paths: FloatArray
    group_counts: FloatArray

    def group_moves(self) -> FloatArray:
        """(S, T) move of each studio's group from its own smoothed past; 0 where unknown."""
        moves = np.zeros(self.group_paths.shape)
        level = np.full(len(moves), np.nan)
        for month, weight in enumerate(self.smoothing):
            move = self.group_paths[:, month] - level
            known = np.isfinite(move)
            moves[:, month] = np.where(known, move, 0.0)
            level = np.where(known, level + weight * move, level)
            level = np.where(np.isnan(level), self.group_paths[:, month], level)
        return np.asarray(moves[self.groups])


def group_studios(studio_types: np.ndarray) -> tuple[IntArray, list[str]]:
    """Index of each studio's group, and the groups' names: large types, then "other" for the rest."""
    names, counts = np.unique(studio_types, return_counts=True)
    large = [str(name) for name, count in zip(names, counts, strict=True) if count >= SMALLEST_GROUP]
    rest = (~np.isin(studio_types, large)).sum()
    if 0 < rest < SMALLEST_GROUP and large:
        large = [] if len(large) == 1 else large
    index = {name: row for row, name in enumerate(large)}
    groups = np.array([index.get(str(name), len(large)) for name in studio_types], dtype=np.int64)
    return groups, [*large, "other"] if (groups == len(large)).any() else large


def surprises(values: FloatArray, groups: IntArray, smoothing: FloatArray = SMOOTHING) -> Surprises:
    """Compute surprises with the smoothing weight that, month by month, had the smallest error until then.

    Args:
        values: (S, T) a series; NaN where not known.
        groups: (S,) index of each studio's group.
        smoothing: weights of the newest month to choose from, smallest first.
    """
    n_studios, n_months = values.shape
    n_groups = int(groups.max()) + 1
    members = [np.flatnonzero(groups == group) for group in range(n_groups)]
    level = np.full((len(smoothing), n_studios), np.nan)
    seen = np.zeros(n_studios)
    loss = np.zeros(len(smoothing))
    own, expected = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    in_use = np.zeros(n_months)
    paths, counts = np.full((n_groups, n_months), np.nan), np.zeros((n_groups, n_months))
    for month in range(n_months):
        now = values[:, month]
        best = int(np.argmin(loss))
        in_use[month] = smoothing[best]
        is_new = np.isnan(level[0]) & np.isfinite(now)
        distance = now - level
        common = _group_months(distance, now, is_new, members)
        paths[:, month] = common[PATH_SMOOTHING]
        counts[:, month] = [np.isfinite(now[rows]).sum() for rows in members]
        by_studio = common[:, groups]
        surprise = distance - by_studio
        noise = np.sqrt(1 + np.maximum(1 / np.maximum(seen, 1), (smoothing / (2 - smoothing))[:, None]))
        steady = np.sqrt(1 + smoothing / (2 - smoothing))[:, None]
        scaled = surprise * steady / noise
        own[:, month] = scaled[best]
        expected[:, month] = level[best] + by_studio[best]
        known = np.isfinite(surprise[0])
        if known.any():
            loss += np.abs(surprise[:, known]).mean(1)
        gain = np.maximum(smoothing[:, None], 1 / (seen + 1))
        level = np.where(known, level + gain * surprise, level)
        level = np.where(is_new, now - by_studio, level)
        seen += np.isfinite(now)
    return Surprises(own, expected, in_use, groups, paths, counts)


def _group_months(
    distance: FloatArray, now: FloatArray, is_new: BoolArray, members: list[IntArray]
) -> FloatArray:
    """(L, G) median distance from the own level; median value if all studios of a group are new."""
    months = np.full((len(distance), len(members)), np.nan)
    for group, rows in enumerate(members):
        old = rows[np.isfinite(distance[0, rows])]
        new = rows[is_new[rows]]
        if len(old):
            months[:, group] = np.median(distance[:, old], axis=1)
        elif len(new):
            months[:, group] = np.median(now[new])
    return months


RATES = ("retention_rate", "upsell_rate")
"""Watched as log-odds, which stabilise rates near 0 or 1; everything else as a logarithm."""
SHARES = ("class_attendance_rate", "staff_utilization_rate")
"""Watched as logarithms: these shares reach 1, where log-odds diverge."""
USUAL_COUNT = 200.0
"""Number of members assumed for a rate if the stock is unknown."""


def watched_inputs(panel: StudioPanel) -> dict[str, FloatArray]:
    """(S, T) values of each input on its scale, NaN where unknown; inputs without any value are left out.

    `revenue_per_member` is total revenue over members, or total revenue where a studio shows no members.
    """
    values = panel.values
    stock = np.where(np.isfinite(values["total_members"]), values["total_members"], USUAL_COUNT)
    has_members = np.isfinite(values["total_members"]).any(axis=1, keepdims=True)
    per = np.where(has_members, values["total_members"], 1.0)
    series = {name: _log_odds(values[name], stock) for name in RATES}
    series |= {name: _logarithm(values[name]) for name in SHARES}
    series["new_members"] = np.log(values["new_members"] + 0.5)
    series["avg_ticket_price"] = _logarithm(values["avg_ticket_price"])
    series["revenue_per_member"] = _logarithm(values["total_revenue"] / np.where(per > 0, per, np.nan))
    return {name: series[name] for name in INPUTS if np.isfinite(series[name]).any()}


INPUTS = (
    "retention_rate",
    "new_members",
    "avg_ticket_price",
    "class_attendance_rate",
    "staff_utilization_rate",
    "upsell_rate",
    "revenue_per_member",
)


def in_units(series: str, change: FloatArray, level: FloatArray) -> FloatArray:
    """Convert a change on the series' scale to its unit: points (a share) of a rate, else a relative change.

    Args:
        series: name of the series.
        change: on the log-odds or log scale.
        level: of the series after the change, on the same scale.
    """
    if series in RATES:
        return np.asarray(_share(level) - _share(level - change))
    return np.asarray(np.expm1(change))


def _share(log_odds: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _log_odds(rate: FloatArray, count: FloatArray) -> FloatArray:
    hits = rate * count + 0.5
    return np.asarray(np.log(hits / (count + 1 - hits)))


def _logarithm(values: FloatArray) -> FloatArray:
    return np.log(np.where(values > 0, values, np.nan))


def error_series(errors: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Those of the given (S, T) log errors that have any finite value."""
    return {name: values for name, values in errors.items() if np.isfinite(values).any()}


HORIZONS = (1, 3)


def backtest_errors(predictions: pd.DataFrame, panel: StudioPanel) -> dict[str, FloatArray]:
    """Log of actual over forecast revenue, by the month that was forecast; NaN where there is no forecast.

    Args:
        predictions: rows as `evaluation.schemas.PREDICTIONS` describes them; rows of studios or months that
            the panel lacks are left out.
        panel: the months of the report.

    Returns:
        `error_1_month_ahead` and `error_3_months_ahead`, each (S, T).
    """
    return {_name(horizon): _errors(predictions, panel, horizon) for horizon in HORIZONS}


def _name(horizon: int) -> str:
    return f"error_{horizon}_month{'s' if horizon > 1 else ''}_ahead"


def _errors(predictions: pd.DataFrame, panel: StudioPanel, horizon: int) -> FloatArray:
    grid = np.full((panel.n_studios, panel.n_months), np.nan)
    if predictions.empty:
        return grid
    chosen = predictions[(predictions["target"] == "revenue") & (predictions["horizon"] == horizon)]
    actual, forecast = (chosen[name].to_numpy(np.float64) for name in ("actual", "ensemble"))
    rows = np.array([panel.rows.get(str(name), -1) for name in chosen["studio_id"]], dtype=np.int64)
    months = chosen["month_year"].to_numpy().astype("datetime64[M]")
    columns = (months - panel.first_month.astype("datetime64[M]")).astype(np.int64)
    usable = (actual > 0) & (forecast > 0) & (rows >= 0) & (columns >= 0) & (columns < panel.n_months)
    grid[rows[usable], columns[usable]] = np.log(actual[usable] / forecast[usable])
    return grid
