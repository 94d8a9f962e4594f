"""How uncertain the effect of given levers is because the responses are estimated.

A response's standard error moves retention, or new members, by itself times the change of its regressor,
month after month; what is gained or lost stays in the stock of members as long as members stay.
Source: the delta method, to first order in the standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from studio_pipeline.forecasting.query_warnings import Effects
from studio_pipeline.forecasting.response_regressors import crowding, overwork
from studio_pipeline.panel.arrays import FloatArray

_SMALLEST_PRICE = 1e-9
_HELD_BY = {"retention": "retention_rate", "acquisition": "new_members_monthly"}


def regressor_changes(
    levers: Mapping[str, FloatArray], usual: Callable[[str], float]
) -> dict[str, FloatArray]:
    """Regressor of the responses to how far levers move it from where it would be, (H,); 0 where free.

    Args:
        levers: lever to (H,) given values, NaN where free.
        usual: level by itself of a lever, of `visits` a member, of `class_capacity`; NaN where unknown.
    """
    found: dict[str, FloatArray] = {}
    if "avg_ticket_price" in levers:
        price = np.maximum(levers["avg_ticket_price"], _SMALLEST_PRICE)
        found["price"] = np.log(price / max(usual("avg_ticket_price"), _SMALLEST_PRICE))
    if "staff_utilization_rate" in levers:
        rate = levers["staff_utilization_rate"]
        found["overwork"] = overwork(rate) - overwork(np.full_like(rate, usual("staff_utilization_rate")))
    if "class_attendance_rate" in levers:
        rate = levers["class_attendance_rate"]
        before = np.full_like(rate, _usual_attendance(usual))
        found["fullness"], found["crowding"] = rate - before, crowding(rate) - crowding(before)
    return {name: np.where(np.isfinite(change), change, 0.0) for name, change in found.items()}


def _usual_attendance(usual: Callable[[str], float]) -> float:
    """Attendances over seats; NaN where unknown."""
    seats = usual("total_classes_held") * usual("class_capacity")
    return usual("visits") * usual("current_member_count") / seats if seats > 0 else math.nan


def response_deviation(
    effects: Effects,
    revenue: FloatArray,
    retention: FloatArray,
    changes: Mapping[str, FloatArray],
    levers: Mapping[str, FloatArray],
) -> FloatArray:
    """(h,) deviation of the months' revenue through the responses' standard errors, currency.

    Args:
        effects: flow to regressor to the response, with its standard error.
        revenue: (h,) under the levers.
        retention: (h,) under the levers; NaN where the data carry none: then nothing responds.
        changes: of `regressor_changes`, at least h months each.
        levers: lever to at least h given values, NaN where free; a flow that is given doesn't respond.
    """
    variance = np.zeros(len(revenue))
    for moved in response_shifts(effects, revenue, retention, changes, levers).values():
        variance += moved**2
    return np.sqrt(variance)


def response_shifts(
    effects: Effects,
    revenue: FloatArray,
    retention: FloatArray,
    changes: Mapping[str, FloatArray],
    levers: Mapping[str, FloatArray],
) -> dict[tuple[str, str], FloatArray]:
    """Flow and regressor to the (h,) currency by which one standard error of the response moves the months'
    revenue, with its sign; arguments as of `response_deviation`.
    """
    months = len(revenue)
    found: dict[tuple[str, str], FloatArray] = {}
    if not changes or not np.isfinite(retention).all():
        return found
    stays = float(np.clip(retention.mean(), 0.0, 1.0))
    lag = np.subtract.outer(np.arange(months), np.arange(months))
    kept = np.where(lag >= 0, stays ** np.maximum(lag, 0), 0.0)
    for flow, share in (("retention", stays * (1 - stays)), ("acquisition", 1 - stays)):
        held = levers.get(_HELD_BY[flow])
        open_months = np.ones(months) if held is None else ~np.isfinite(held[:months])
        for regressor, change in changes.items():
            effect = effects.get(flow, {}).get(regressor)
            if effect is not None and np.isfinite(effect.standard_error):
                moved = kept @ (share * change[:months] * open_months)
                found[flow, regressor] = revenue * effect.standard_error * moved
    return found
