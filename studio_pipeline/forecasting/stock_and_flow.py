"""Members and money month by month: the arithmetic that always adds up, with responses inside.

    members' = members x retention + new members
    revenue  = members x ticket x realisation + class packs + retail + upsell + other

A given lever takes the place of its flow; the others respond to it. A studio without members' flows falls
back to its level of members, one without members to its level of revenue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.flows import sigmoid
from studio_pipeline.forecasting.responses import Responses
from studio_pipeline.panel.arrays import FloatArray


@dataclass(frozen=True)
class OriginStock:
    """Where N projections start.

    Attributes:
        members: (N,) members at the base month's end; NaN where unknown.
        class_capacity: (N,) seats per class; NaN where unknown.
        attendance_rate: (N,) of the base month; NaN where unknown.
    """

    members: FloatArray
    class_capacity: FloatArray
    attendance_rate: FloatArray


@dataclass(frozen=True)
class CorePaths:
    """What the core projects: (N, H) each; members and retention are NaN where the data carry none."""

    revenue: FloatArray
    members: FloatArray
    retention_rate: FloatArray
    new_members: FloatArray
    avg_ticket_price: FloatArray
    attendance_rate: FloatArray


def simulate(
    flows: Mapping[str, FloatArray],
    origin: OriginStock,
    responses: Responses,
    levers: Mapping[str, FloatArray],
) -> CorePaths:
    """Runs N projections over H months.

    Args:
        flows: flow name to its (N, H) projection on the flow's scale, responses not yet added.
        origin: the starting stocks.
        responses: of retention and acquisition.
        levers: lever name to (N, H) given values, NaN where free; a lever that is not there is free.
    """
    free = np.full_like(flows["revenue"], np.nan)
    members = _given(levers.get("current_member_count", free)[:, 0], origin.members)
    held = {name: levers.get(name, free) for name in _HELD}
    inputs = _Inputs(flows, held, members, origin.class_capacity)
    months: list[list[FloatArray]] = [[] for _ in range(4)]
    rate = origin.attendance_rate
    for h in range(free.shape[1]):
        month = _month(inputs, h, members, rate, responses)
        members = month[0]
        rate = _rate(month[3], inputs.classes[:, h] * origin.class_capacity)
        for kept, value in zip(months, month, strict=True):
            kept.append(value)
    stock, retention, new_members, attendance = (np.stack(kept, 1) for kept in months)
    revenue = _revenue(inputs, stock, attendance, flows)
    rates = _rate(attendance, inputs.classes * origin.class_capacity[:, None])
    return CorePaths(revenue, stock, retention, new_members, inputs.ticket, rates)


def _rate(attendance: FloatArray, seats: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(attendance / seats)


_HELD = (
    "retention_rate",
    "avg_ticket_price",
    "class_attendance_rate",
    "new_members_monthly",
    "staff_utilization_rate",
    "upsell_rate",
    "total_classes_held",
)


class _Inputs:
    """The flows with given levers put in their place, on natural scales where nothing responds."""

    def __init__(
        self,
        flows: Mapping[str, FloatArray],
        levers: Mapping[str, FloatArray],
        members: FloatArray,
        class_capacity: FloatArray,
    ) -> None:
        self.retention, self.acquisition = flows["retention"], flows["acquisition"]
        self.has_stock = np.isfinite(self.retention[:, 0] + self.acquisition[:, 0] + members)
        self.class_capacity = class_capacity
        self.members_level = np.exp(flows["members"])
        self.visits = np.exp(flows["visits"])
        self.ticket = _given(levers["avg_ticket_price"], np.exp(flows["ticket"]))
        self.classes = _given(levers["total_classes_held"], np.exp(flows["classes"]))
        self.staff = _given(levers["staff_utilization_rate"], sigmoid(flows["staff_utilization"]))
        self.upsell_rate = _given(levers["upsell_rate"], sigmoid(flows["upsell_rate"]))
        self.held_retention, self.held_new = levers["retention_rate"], levers["new_members_monthly"]
        self.held_attendance = levers["class_attendance_rate"]


def _given(lever: FloatArray, free: FloatArray) -> FloatArray:
    return np.where(np.isfinite(lever), lever, free)


def _month(
    inputs: _Inputs,
    h: int,
    members: FloatArray,
    rate_before: FloatArray,
    responses: Responses,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """One month on: members at its end, retention, new members and attendance, (N,) each."""
    has_stock = inputs.has_stock
    seats = inputs.classes[:, h] * inputs.class_capacity
    visiting = np.where(has_stock, members, inputs.members_level[:, h]) * inputs.visits[:, h]
    attendance = np.where(np.isfinite(seats), np.minimum(visiting, seats), visiting)
    held = inputs.held_attendance[:, h]
    attendance = np.where(np.isfinite(held) & np.isfinite(seats), held * seats, attendance)
    with np.errstate(divide="ignore", invalid="ignore"):
        price_log = np.log(inputs.ticket[:, h])
    regressors = (price_log, rate_before, inputs.staff[:, h])
    retention = _given(
        inputs.held_retention[:, h],
        sigmoid(inputs.retention[:, h] + responses.contribution("retention", *regressors)),
    )
    new = _given(
        inputs.held_new[:, h],
        np.maximum(
            np.exp(inputs.acquisition[:, h] + responses.contribution("acquisition", *regressors)) - 0.5, 0.0
        ),
    )
    stock = np.where(has_stock, members * retention + new, inputs.members_level[:, h])
    return stock, np.where(has_stock, retention, np.nan), np.where(has_stock, new, np.nan), attendance


def _revenue(
    inputs: _Inputs, members: FloatArray, attendance: FloatArray, flows: Mapping[str, FloatArray]
) -> FloatArray:
    """(N, H) revenue from its parts; where there are no members, the level of revenue itself."""
    packs = np.exp(flows["pack_yield"]) * np.where(np.isfinite(attendance), attendance, members)
    extras = (
        np.nan_to_num(packs)
        + np.nan_to_num(np.exp(flows["retail_yield"]) * members)
        + np.nan_to_num(np.exp(flows["upsell_yield"]) * members * inputs.upsell_rate)
        + np.nan_to_num(np.exp(flows["other_yield"]) * members)
    )
    built = members * inputs.ticket * np.exp(flows["realisation"]) + extras
    return np.where(np.isfinite(built), built, np.exp(flows["revenue"]))
