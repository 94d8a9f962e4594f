"""Flows of a studio on their link scale with counting variances, and corrections of the three targets.

A flow is a series that the stock-and-flow core forecasts separately, on a log or logit scale. Its counting
variance (binomial for retention, Poisson for new members) lets the Kalman filter weigh a large studio's month
above a small one's. A correction is the core's error on the target's scale, on which the learners are fitted.
The filter itself is in `core`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from studio_pipeline.forecasting.base.origins import Origins, months_after
from studio_pipeline.panel.arrays import FloatArray, StudioPanel, ratio

Link = Literal["log", "logit"]

FLOW_LINKS: dict[str, Link] = {
    "retention": "logit",
    "acquisition": "log",
    "members": "log",
    "ticket": "log",
    "realisation": "log",
    "visits": "log",
    "classes": "log",
    "staff_utilization": "logit",
    "upsell_rate": "logit",
    "pack_yield": "log",
    "retail_yield": "log",
    "upsell_yield": "log",
    "other_yield": "log",
    "revenue": "log",
}
"""Every flow and its link. Realisation is membership revenue over members x ticket (1 unless the ticket is a
list price). Yields: class packs per attendance (per member where attendance is unknown), retail and other
revenue per member (other includes upsell revenue where buying members are unknown), upsell revenue per buying
member. Visits are attendances per member and month.
"""

RATE_MARGIN = 0.002
LARGEST_LOG_ODDS = 30.0
LARGEST_EXPONENT = 700.0
"""Largest exponent: beyond it `exp` is infinite in NumPy and raises OverflowError on plain numbers."""

JOINERS_OFFSET = 0.5
_SMALLEST_SHARE = 0.1
_FLOOR_MONTHS = 12


@dataclass(frozen=True)
class FlowSeries:
    """One flow of many studios."""

    values: FloatArray  # (S, T) the flow on its link's scale; NaN where unknown
    # (S, T) sampling variance of a value from counting alone, same scale squared; 0 where there is none
    counting_variance: FloatArray


def logit(rate: FloatArray) -> FloatArray:
    """Log odds of a rate, kept `RATE_MARGIN` away from 0 and 1."""
    # np.clip takes three times as long on the dozen numbers of one answer.
    inside = np.minimum(np.maximum(rate, RATE_MARGIN), 1 - RATE_MARGIN)
    return np.asarray(np.log(inside / (1 - inside)))


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Inverse of `logit`."""
    inside = np.minimum(np.maximum(log_odds, -LARGEST_LOG_ODDS), LARGEST_LOG_ODDS)
    return np.asarray(1 / (1 + np.exp(-inside)))


def new_members(log: FloatArray) -> FloatArray:
    """New members from the flow of acquisition, which is their log plus a half; at least 0."""
    return np.maximum(np.exp(np.minimum(log, LARGEST_EXPONENT)) - JOINERS_OFFSET, 0.0)


def previous_month(values: FloatArray) -> FloatArray:
    """(S, T) shifted one month later; the first month is unknown."""
    shifted = np.full_like(values, np.nan)
    shifted[:, 1:] = values[:, :-1]
    return shifted


def flow_series(panel: StudioPanel) -> Mapping[str, FlowSeries]:
    """All flows of a panel; a flow whose columns the panel lacks is NaN throughout."""
    return {name: one_flow(panel, name) for name in (*_AMOUNT_OF, *_RATE_OF, "retention", "acquisition")}


def one_flow(panel: StudioPanel, name: str) -> FlowSeries:
    """One of `FLOW_LINKS`."""
    values = panel.values
    if name == "retention":
        return _retention(values)
    if name == "acquisition":
        return _acquisition(values["new_members"])
    flow = _log_amount(_AMOUNT_OF[name](values)) if name in _AMOUNT_OF else logit(values[_RATE_OF[name]])
    return FlowSeries(flow, np.zeros_like(flow))


Values = Mapping[str, FloatArray]
"""Column of the panel to its (S, T) months."""


def _paid_by_members(v: Values) -> FloatArray:
    return np.where(np.isfinite(v["membership_revenue"]), v["membership_revenue"], v["total_revenue"])


def _pack_buyers(v: Values) -> FloatArray:
    attendance = v["total_class_attendance"]
    return np.where(np.isfinite(attendance), attendance, v["total_members"])


def _other_revenue(v: Values) -> FloatArray:
    """Other revenue, with the upsell revenue of months whose buying members are unknown."""
    upsold = np.where(v["upsell_rate"] > 0, 0.0, np.nan_to_num(v["upsell_revenue"]))
    return np.where(upsold > 0, np.nan_to_num(v["other_revenue"]) + upsold, v["other_revenue"])


_AMOUNT_OF: Mapping[str, Callable[[Values], FloatArray]] = {
    "members": lambda v: v["total_members"],
    # A price of zero marks a closed month and is treated as unknown.
    "ticket": lambda v: np.where(v["avg_ticket_price"] > 0, v["avg_ticket_price"], np.nan),
    "realisation": lambda v: ratio(_paid_by_members(v), v["total_members"] * v["avg_ticket_price"]),
    "visits": lambda v: ratio(v["total_class_attendance"], v["total_members"]),
    "classes": lambda v: v["total_classes_held"],
    "pack_yield": lambda v: ratio(v["class_pack_revenue"], _pack_buyers(v)),
    "retail_yield": lambda v: ratio(v["retail_revenue"], v["total_members"]),
    "upsell_yield": lambda v: ratio(v["upsell_revenue"], v["total_members"] * v["upsell_rate"]),
    "other_yield": lambda v: ratio(_other_revenue(v), v["total_members"]),
    "revenue": lambda v: v["total_revenue"],
}
_RATE_OF = {"staff_utilization": "staff_utilization_rate", "upsell_rate": "upsell_rate"}


def _log_amount(amount: FloatArray) -> FloatArray:
    """Logarithm of an amount, kept above a tenth of the mean of the last twelve months.

    A month at zero (a closure) is then a low value instead of minus infinity and doesn't distort the season.
    The mean uses past and present months only, so that later months change nothing. After a year of zeros
    the amount is unknown.
    """
    seen = np.isfinite(amount)
    sums, counts = _trailing_sums(np.stack([np.where(seen, amount, 0.0), seen]))
    floor = _SMALLEST_SHARE * sums / np.maximum(counts, 1)
    floored = np.maximum(amount, floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(seen & (floored > 0), np.log(floored), np.nan)


def _trailing_sums(values: FloatArray) -> FloatArray:
    """(K, S, T) sums over the last `_FLOOR_MONTHS` months, the present one included."""
    before = _FLOOR_MONTHS - 1
    padded = np.zeros((*values.shape[:2], before + values.shape[2]))
    padded[..., before:] = values
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, _FLOOR_MONTHS, axis=2).sum(-1))


def _retention(values: Values) -> FlowSeries:
    """Logit of retention, with half a member added on both sides so that a month without churn
    stays finite.
    """
    before = previous_month(values["total_members"])
    churned = np.where(
        np.isfinite(values["churned_members"]),
        values["churned_members"],
        before * (1 - values["retention_rate"]),
    )
    rate = np.where(before > 0, 1 - (churned + 0.5) / (before + 1), values["retention_rate"])
    rate = np.clip(rate, RATE_MARGIN, 1 - RATE_MARGIN)
    with np.errstate(invalid="ignore", divide="ignore"):
        counted = (before > 0) & np.isfinite(rate)
        variance = np.where(counted, 1 / (np.maximum(before, 1) * rate * (1 - rate)), 0.0)
    return FlowSeries(logit(rate), variance)


def _acquisition(joined: FloatArray) -> FlowSeries:
    """The Poisson variance uses the studio's running mean, not the month itself."""
    seen = np.isfinite(joined)
    running = np.cumsum(np.where(seen, joined, 0.0), 1) / np.maximum(np.cumsum(seen, 1), 1)
    variance = np.where(seen, 1 / (running + JOINERS_OFFSET), 0.0)
    return FlowSeries(np.log(joined + JOINERS_OFFSET), variance)


TARGETS: tuple[str, ...] = ("revenue", "members", "retention")
TARGET_COLUMNS: dict[str, str] = {
    "revenue": "total_revenue",
    "members": "total_members",
    "retention": "retention_rate",
}

_LARGEST_CORRECTION = 1.0


def actual_months(panel: StudioPanel, target: str, origins: Origins) -> FloatArray:
    """(N, 12) actual values of a target after N origins; NaN where they are not known (yet)."""
    return months_after(panel, TARGET_COLUMNS[target], origins)


def correction_of(actual: FloatArray, core: FloatArray, target: str) -> FloatArray:
    """Correction that makes the core's projection equal the actual: a log ratio, for retention a difference
    of log odds; clipped to +-1.
    """
    if target == "retention":
        missed = logit(actual) - logit(core)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            missed = np.where(core > 0, np.log(np.maximum(actual, 0.01 * core) / core), np.nan)
    return np.clip(missed, -_LARGEST_CORRECTION, _LARGEST_CORRECTION)


def corrected(core: FloatArray, correction: FloatArray, target: str) -> FloatArray:
    """Core projection with a correction applied; inverse of `correction_of`."""
    return (
        sigmoid(logit(core) + correction) if target == "retention" else np.asarray(core * np.exp(correction))
    )
