"""How members respond to price, full and crowded classes and overworked staff: a panel regression with fixed
effects.

Retention (log odds) and acquisition (log) are regressed on the log of the price, on how full and how crowded
classes were the month before (before, because busy months and loyal members have common causes) and on
overwork, with an effect for each studio and calendar month of the year (its level and its own season) and for
each type and month (the market). Standard errors are clustered by studio. The estimate is combined with a
weak prior, and a sign that economics rules out is set to zero and said to rest on the prior.
Source: Cameron & Miller (2015), A Practitioner's Guide to Cluster-Robust Inference; within transformation by
alternating projections (Guimaraes & Portugal, 2010).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.flows import FlowSeries, previous_month
from studio_pipeline.forecasting.queries import LeverEffect
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

COMFORTABLE_ATTENDANCE = 0.8
COMFORTABLE_UTILIZATION = 0.85
TYPICAL_ATTENDANCE = 0.65

RESPONDING = ("retention", "acquisition")
_REGRESSORS = ("price", "fullness", "crowding", "overwork")
_BURDENS = ("price", "crowding", "overwork")
_FEWEST_ROWS = 60
_PROJECTIONS = 25


@dataclass(frozen=True)
class Responses:
    """The responses of retention and acquisition.

    Attributes:
        effects: flow to regressor to the effect on the flow's scale per unit of the regressor (log price,
            rate points).
    """

    effects: Mapping[str, Mapping[str, LeverEffect]]

    def slope(self, flow: str, regressor: str) -> float:
        """The effect to use; 0 where there is none."""
        effect = self.effects.get(flow, {}).get(regressor)
        return 0.0 if effect is None else effect.effect

    def with_share(self, regressor: str, share: float) -> Responses:
        """The same with a share of one regressor's effects."""
        return Responses(
            {
                flow: {
                    n: replace(e, effect=share * e.effect) if n == regressor else e
                    for n, e in effects.items()
                }
                for flow, effects in self.effects.items()
            }
        )

    def contribution(
        self, flow: str, price_log: FloatArray, attendance_before: FloatArray, utilization: FloatArray
    ) -> FloatArray:
        """What the regressors add to a flow, on its scale.

        An unknown rate adds what its typical value would. A price has no value that is typical in every
        currency: where it is unknown and counts, so is the sum.
        """
        price_slope = self.slope(flow, "price")
        total = price_slope * price_log if price_slope else np.zeros_like(price_log)
        busy = np.where(np.isfinite(attendance_before), attendance_before, TYPICAL_ATTENDANCE)
        total = total + self.slope(flow, "fullness") * busy + self.slope(flow, "crowding") * crowding(busy)
        worked = np.where(np.isfinite(utilization), utilization, COMFORTABLE_UTILIZATION)
        return np.asarray(total + self.slope(flow, "overwork") * overwork(worked))


def crowding(attendance: FloatArray) -> FloatArray:
    """Attendance above the comfortable rate, in rate points."""
    return np.maximum(attendance - COMFORTABLE_ATTENDANCE, 0.0)


def overwork(utilization: FloatArray) -> FloatArray:
    """Staff utilisation above the comfortable rate, in rate points."""
    return np.maximum(utilization - COMFORTABLE_UTILIZATION, 0.0)


def estimate_responses(
    panel: StudioPanel, series: Mapping[str, FlowSeries], types: IntArray, prior_scale: float
) -> Responses:
    """Estimates all responses on the months of a panel.

    Args:
        panel: the months that may be used.
        series: its flows.
        types: (S,) type of each studio.
        prior_scale: standard deviation of an effect before any data are seen.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.log(panel.values["avg_ticket_price"])
    attendance_before = previous_month(panel.values["class_attendance_rate"])
    utilization = panel.values["staff_utilization_rate"]
    regressors = np.stack([price, attendance_before, crowding(attendance_before), overwork(utilization)])
    has_flows = (
        np.isfinite(series["retention"].values).any() and np.isfinite(series["acquisition"].values).any()
    )
    if not has_flows:
        return Responses({flow: {} for flow in RESPONDING})
    return Responses(
        {
            flow: _flow_responses(series[flow], regressors, types, panel.calendar_months, prior_scale)
            for flow in RESPONDING
        }
    )


def _flow_responses(
    flow: FlowSeries, regressors: FloatArray, types: IntArray, calendar_months: IntArray, prior_scale: float
) -> dict[str, LeverEffect]:
    known = np.isfinite(flow.values) & (flow.counting_variance > 0)
    usable = [
        k
        for k in range(len(_REGRESSORS))
        if (known & np.isfinite(regressors[k])).sum() > 0.5 * known.sum() > 0
    ]
    for k in usable:
        known = known & np.isfinite(regressors[k])
    if known.sum() < _FEWEST_ROWS or not usable:
        return {}
    # A month's own count would weigh it by its luck, which bends the slopes: the studio's mean does not.
    variance = np.where(known, flow.counting_variance, 0.0).sum(1) / np.maximum(known.sum(1), 1)
    weights = np.where(known, 1 / (variance + 0.02)[:, None], 0.0)
    stacked = np.where(known, np.concatenate([flow.values[None], regressors[usable]]), 0.0)
    within = _within(stacked, weights, types, calendar_months)
    slopes, errors = _clustered_regression(within[0], within[1:], weights, known)
    return {
        name: _with_prior(float(b), float(se), prior_scale, name in _BURDENS)
        for name, b, se in zip([_REGRESSORS[k] for k in usable], slopes, errors, strict=True)
    }


def _with_prior(slope: float, error: float, prior_scale: float, is_burden: bool) -> LeverEffect:
    """Posterior mean under a normal prior at zero; that a burden should win members is not believed."""
    if not np.isfinite(error) or error > prior_scale or (is_burden and slope >= 0):
        return LeverEffect("prior", 0.0, prior_scale)
    return LeverEffect("data", slope * prior_scale**2 / (prior_scale**2 + error**2), error)


def _within(
    stacked: FloatArray, weights: FloatArray, types: IntArray, calendar_months: IntArray
) -> FloatArray:
    """(K, S, T) with weighted effects of studio-by-calendar-month and type-by-month projected out."""
    stacked = stacked.copy()
    studio_weight = np.stack([weights[:, calendar_months == m].sum(1) for m in range(12)], 1)
    onehot = (types[:, None] == np.arange(types.max() + 1)).astype(float)
    type_weight = onehot.T @ weights
    present = weights > 0
    for _ in range(_PROJECTIONS):
        weighted = stacked * weights
        means = np.stack([weighted[:, :, calendar_months == m].sum(2) for m in range(12)], 2) / np.maximum(
            studio_weight, 1e-9
        )
        stacked = (stacked - means[:, :, calendar_months]) * present
        means = np.einsum("sg,kst->kgt", onehot, stacked * weights) / np.maximum(type_weight, 1e-9)
        stacked = (stacked - means[:, types]) * present
    return stacked


def _clustered_regression(
    outcome: FloatArray, regressors: FloatArray, weights: FloatArray, known: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Weighted least squares of (S, T) on (K, S, T); returns K slopes and their errors clustered by
    studio.
    """
    gram = np.einsum("kst,lst,st->kl", regressors, regressors, weights)
    variable = np.diag(gram) > 1e-6 * known.sum()
    slopes, errors = np.zeros(len(gram)), np.full(len(gram), np.inf)
    if not variable.any():
        return slopes, errors
    x = regressors[variable]
    inverse = np.linalg.pinv(gram[np.ix_(variable, variable)])
    slopes[variable] = inverse @ np.einsum("kst,st,st->k", x, outcome, weights)
    residual = outcome - np.einsum("k,kst->st", slopes[variable], x)
    scores = np.einsum("kst,st,st->sk", x, residual, weights)
    n_studios = int((np.abs(scores).sum(1) > 0).sum())
    correction = n_studios / max(n_studios - 1, 1)
    errors[variable] = np.sqrt(np.maximum(np.diag(inverse @ (scores.T @ scores) @ inverse) * correction, 0))
    if n_studios < 3:
        # One or two clusters say nothing about their own variance.
        errors[variable] = np.sqrt(
            np.diag(inverse) * (weights * residual**2).sum() / max(known.sum() - len(x), 1)
        )
    return slopes, errors
