"""What is watched of a studio's months: each column on the scale on which a change adds up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, StudioPanel

RATES = ("retention_rate", "upsell_rate")
"""Watched as log-odds, which are fair to rates near one end; everything else as a logarithm."""
SHARES = ("class_attendance_rate", "staff_utilization_rate")
"""Watched as logarithms, as rooms and hours fill up: the log-odds of a full room would leap."""
USUAL_COUNT = 200.0
"""Members that a rate refers to where the stock is not known."""


def watched_inputs(panel: StudioPanel) -> dict[str, FloatArray]:
    """(S, T) values of each input on its scale, NaN where not known; inputs never known are left out.

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
    """A change on the series' scale in its own unit: points (a share) of a rate, else a relative change.

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
    """Those of the given (S, T) log errors that hold anything."""
    return {name: values for name, values in errors.items() if np.isfinite(values).any()}
