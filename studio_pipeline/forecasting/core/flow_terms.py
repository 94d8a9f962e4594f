"""Terms of a projection as arrays: paths of the flows, starting stocks and slopes of responses.

They are the input of `simulation` and `scalar_simulation`; projecting the flows belongs to `states`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from studio_pipeline.forecasting.base.bounds import START_LEVER
from studio_pipeline.forecasting.base.flows import sigmoid
from studio_pipeline.forecasting.core.parameters import ClassPlanning
from studio_pipeline.forecasting.responses.regressors import RESPONDING, classes_per_member
from studio_pipeline.forecasting.responses.responses import RowResponses
from studio_pipeline.panel.arrays import FloatArray, IntArray

PUT_IN_PLACE: dict[str, str] = {
    "avg_ticket_price": "ticket",
    "staff_utilization_rate": "staff",
    "upsell_rate": "upsell_rate",
}
"""Lever to the path that it replaces before the simulation starts."""

_PATH_OF = {**PUT_IN_PLACE, "total_classes_held": "classes"}

_FLOW_SCALE = ("retention", "acquisition")
_AMOUNTS = ("members", "visits", "ticket", "classes", "realisation", "revenue")
_PARTS = ("pack_yield", "retail_yield", "upsell_yield", "other_yield")
_LEVERS = ("upsell_rate", "staff", "price_log", "least_price")
PATHS: tuple[str, ...] = (*_FLOW_SCALE, *_AMOUNTS, *_PARTS, *_LEVERS)
"""Names of the paths. Retention and acquisition are on their flows' scale without responses; all others are
on natural scales.
"""

START: tuple[str, ...] = (
    "members",
    "class_capacity",
    "attendance_rate",
    "usual_attendance",
    "classes_per_member",
)
_START_OF = {START_LEVER: "members", "class_capacity": "class_capacity"}
REGRESSORS: tuple[str, ...] = ("price", "fullness", "crowding", "overwork")
COMFORT: tuple[str, ...] = ("comfortable_attendance", "comfortable_utilization", "crowds_same_month")
SLOPES: tuple[str, ...] = (
    *(f"{flow}_{regressor}" for flow in RESPONDING for regressor in REGRESSORS),
    "visits_classes",
    "utilization_classes",
    "classes_fullness",
    *COMFORT,
)
"""Names of the slopes of responses and of the burdens' thresholds; `crowds_same_month` is 0 or 1."""

_LEAST_PRICE_SHARE = 0.01


@dataclass(frozen=True)
class OriginStock:
    """Starting stocks of N projections."""

    members: FloatArray  # (N,) members at the base month's end; NaN where unknown
    class_capacity: FloatArray  # (N,) seats per class; NaN where unknown
    attendance_rate: FloatArray  # (N,) rate of the base month, 0..1; NaN where unknown
    base_month: IntArray  # (N,) months since 1970


@dataclass(frozen=True)
class FlowTerms:
    """Terms of N projections over H months."""

    stacked: FloatArray  # (N, P, H) paths in the order of `PATHS`
    start: FloatArray  # (N, 5) in the order of `START`
    slopes: FloatArray  # (N, 14) in the order of `SLOPES`

    def take(self, places: IntArray | slice) -> FlowTerms:
        """Subset of the projections; with a slice, a view."""
        return FlowTerms(self.stacked[places], self.start[places], self.slopes[places])

    @classmethod
    def joined(cls, parts: list[FlowTerms]) -> FlowTerms:
        """Concatenate the projections of several terms."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    @property
    def paths(self) -> dict[str, FloatArray]:
        """Path to its (N, H) values."""
        return dict(zip(PATHS, self.stacked.swapaxes(0, 1), strict=True))

    def by_month(self) -> tuple[dict[str, list[FloatArray]], dict[str, FloatArray], dict[str, FloatArray]]:
        """Dictionaries of paths (H arrays of (N,) each), starting stocks (N,) and slopes (N,) by name."""
        turned = np.ascontiguousarray(np.transpose(self.stacked, (1, 2, 0)))
        return (
            {name: list(path) for name, path in zip(PATHS, turned, strict=True)},
            dict(zip(START, self.start.T, strict=True)),
            dict(zip(SLOPES, self.slopes.T, strict=True)),
        )

    def level(self, place: int, name: str) -> float:
        """Value of a lever in one projection's first month with every lever free; NaN where unknown. `name`
        may also be `visits` (per member) or `class_capacity`.
        """
        if name in _START_OF:
            return float(self.start[place, START.index(_START_OF[name])])
        return float(self.stacked[place, PATHS.index(_PATH_OF.get(name, name)), 0])

    def plain(self, place: int) -> tuple[dict[str, list[float]], dict[str, float], dict[str, float]]:
        """Paths, starting stocks and slopes of one projection as in `by_month`, as plain numbers."""
        return (
            dict(zip(PATHS, self.stacked[place].tolist(), strict=True)),
            dict(zip(START, self.start[place].tolist(), strict=True)),
            dict(zip(SLOPES, self.slopes[place].tolist(), strict=True)),
        )


def flow_terms(
    flows: Mapping[str, FloatArray],
    origin: OriginStock,
    responses: RowResponses,
    planning: ClassPlanning,
) -> FlowTerms:
    """Build the terms of N projections over H months from the (N, H) flows without responses; the flow of
    classes already contains the planning up to the origin.
    """
    pool, comfort = responses.pool, responses.pool.comfort
    paths = {name: flows[name] for name in _FLOW_SCALE}
    paths |= {name: np.exp(flows[name]) for name in _AMOUNTS}
    # A part of revenue that the data lack contributes 0.
    paths |= {name: np.nan_to_num(np.exp(flows[name])) for name in _PARTS}
    paths["upsell_rate"] = np.nan_to_num(sigmoid(flows["upsell_rate"]))
    # An unknown rate contributes as the comfortable one: no overwork.
    paths["staff"] = np.nan_to_num(sigmoid(flows["staff_utilization"]), nan=comfort.utilization)
    known_price = np.isfinite(flows["ticket"])
    paths["price_log"] = np.where(known_price, flows["ticket"], 0.0)
    # The price has a floor, because responses to its log grow without limit as it approaches zero.
    floor = _LEAST_PRICE_SHARE * paths["ticket"]
    paths["least_price"] = np.where(known_price, floor, np.finfo(float).tiny)
    slopes = np.empty((len(origin.members), len(SLOPES)))
    ahead = np.arange(1, flows["ticket"].shape[1] + 1)
    market_price = pool.market_price(origin.base_month[:, None] + ahead)
    for place, (flow, regressor) in enumerate((f, r) for f in RESPONDING for r in REGRESSORS):
        slopes[:, place] = responses.slope(flow, regressor)
        if regressor == "price":
            # No price is typical in every currency, so a flow that responds to an unknown price is unknown.
            unknown = ~known_price & (slopes[:, place, None] != 0)
            paths[flow] = np.where(unknown, np.nan, paths[flow] - slopes[:, place, None] * market_price)
    slopes[:, SLOPES.index("classes_fullness")] = planning.speed
    for flow in ("visits", "utilization"):
        slopes[:, SLOPES.index(f"{flow}_classes")] = responses.slope(flow, "classes")
    # Where utilisation is unknown, more classes overwork no one.
    slopes[~np.isfinite(flows["staff_utilization"][:, 0]), SLOPES.index("utilization_classes")] = 0.0
    slopes[:, -len(COMFORT) :] = comfort.attendance_rate, comfort.utilization, comfort.same_month
    # Visits per member refer to the first month's classes per member; the simulation adds the difference.
    density = classes_per_member(paths["classes"][:, 0], origin.members, pool.typical_classes)
    paths["visits"] = paths["visits"] * np.exp(slopes[:, SLOPES.index("visits_classes")] * density)[:, None]
    usual = np.full_like(origin.members, planning.usual_attendance)
    start = np.stack([origin.members, origin.class_capacity, origin.attendance_rate, usual, density], 1)
    return FlowTerms(np.stack([paths[name] for name in PATHS], 1), start, slopes)
