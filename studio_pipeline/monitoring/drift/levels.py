"""Watched series of the drift monitor, inputs and backtest errors, with surprises against expected levels.

A studio's own level is an exponentially weighted mean of its distance from its group; a group is a type of at
least `SMALLEST_GROUP` studios, or all others. The group's value of a month is the median over its studios, so
that a common season, market movement or shock does not appear in a single studio's surprise. Surprises are
standardised in `scores`. Live errors are watched in `monitoring.accuracy`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

SMALLEST_GROUP = 8
SMOOTHING = np.array([0.1, 0.2, 0.4, 0.7, 1.0])
"""Candidate weights of the newest month; the one with the smallest mean absolute surprise so far is used."""


@dataclass(frozen=True)
class Surprises:
    """One-step surprises of a series."""

    # (S, T) a studio's month less its level and its group's month; NaN in its first month. Scaled to the same
    # standard deviation whatever the number of months behind a level.
    own: FloatArray
    smoothing: FloatArray  # (T,) weight of the newest month that was in use
    groups: IntArray  # (S,) index of each studio's group
    group_paths: FloatArray  # (G, T) each group's month, free of changes of its membership
    group_counts: FloatArray  # (G, T) number of studios behind it

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
    if len(large) == 1 and 0 < (~np.isin(studio_types, large)).sum() < SMALLEST_GROUP:
        large = []
    index = {name: row for row, name in enumerate(large)}
    groups = np.array([index.get(str(name), len(large)) for name in studio_types], dtype=np.int64)
    return groups, [*large, "other"] if (groups == len(large)).any() else large


def surprises(values: FloatArray, groups: IntArray) -> Surprises:
    """Surprises of an (S, T) series with the weight that, month by month, had the least error until then."""
    n_studios, n_months = values.shape
    n_groups = int(groups.max()) + 1
    members = [np.flatnonzero(groups == group) for group in range(n_groups)]
    level = np.full((len(SMOOTHING), n_studios), np.nan)
    seen, loss = np.zeros(n_studios), np.zeros(len(SMOOTHING))
    own, in_use = np.full(values.shape, np.nan), np.zeros(n_months)
    paths, counts = np.full((n_groups, n_months), np.nan), np.zeros((n_groups, n_months))
    for month in range(n_months):
        now = values[:, month]
        best = int(np.argmin(loss))
        in_use[month] = SMOOTHING[best]
        is_new = np.isnan(level[0]) & np.isfinite(now)
        distance = now - level
        common = _group_months(distance, now, is_new, members)
        paths[:, month] = common[0]
        counts[:, month] = [np.isfinite(now[rows]).sum() for rows in members]
        by_studio = common[:, groups]
        surprise = distance - by_studio
        noise = np.sqrt(1 + np.maximum(1 / np.maximum(seen, 1), (SMOOTHING / (2 - SMOOTHING))[:, None]))
        steady = np.sqrt(1 + SMOOTHING / (2 - SMOOTHING))[:, None]
        own[:, month] = (surprise * steady / noise)[best]
        known = np.isfinite(surprise[0])
        if known.any():
            loss += np.abs(surprise[:, known]).mean(1)
        gain = np.maximum(SMOOTHING[:, None], 1 / (seen + 1))
        level = np.where(known, level + gain * surprise, level)
        level = np.where(is_new, now - by_studio, level)
        seen += np.isfinite(now)
    return Surprises(own, in_use, groups, paths, counts)


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
    series = {}
    for name in RATES:
        hits = values[name] * stock + 0.5
        series[name] = np.log(hits / (stock + 1 - hits))
    # Attendance and utilisation reach 1, where log-odds diverge.
    for name in ("class_attendance_rate", "staff_utilization_rate", "avg_ticket_price"):
        series[name] = _logarithm(values[name])
    series["new_members"] = np.log(values["new_members"] + 0.5)
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

    `level` is that of the series after the change, on the same log-odds or log scale.
    """
    if series in RATES:
        return np.asarray(1 / (1 + np.exp(-level)) - 1 / (1 + np.exp(change - level)))
    return np.asarray(np.expm1(change))


def _logarithm(values: FloatArray) -> FloatArray:
    return np.log(np.where(values > 0, values, np.nan))


def backtest_errors(predictions: pd.DataFrame, panel: StudioPanel) -> dict[str, FloatArray]:
    """(S, T) log of actual over forecast revenue 1 and 3 months ahead, by month; NaN without a forecast.

    The predictions are those of an `EvaluationReport`; studios or months that the panel lacks are left out.
    """
    errors = {}
    for horizon, name in ((1, "error_1_month_ahead"), (3, "error_3_months_ahead")):
        grid = errors[name] = np.full((panel.n_studios, panel.n_months), np.nan)
        if predictions.empty:
            continue
        chosen = predictions[(predictions["target"] == "revenue") & (predictions["horizon"] == horizon)]
        actual, forecast = (chosen[column].to_numpy(np.float64) for column in ("actual", "ensemble"))
        rows = np.array([panel.rows.get(str(studio), -1) for studio in chosen["studio_id"]], dtype=np.int64)
        months = chosen["month_year"].to_numpy().astype("datetime64[M]")
        columns = (months - panel.first_month.astype("datetime64[M]")).astype(np.int64)
        usable = (actual > 0) & (forecast > 0) & (rows >= 0) & (columns >= 0) & (columns < panel.n_months)
        grid[rows[usable], columns[usable]] = np.log(actual[usable] / forecast[usable])
    return errors
