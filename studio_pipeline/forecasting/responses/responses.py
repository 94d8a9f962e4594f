"""Lever responses of a panel and of its studios, their contributions to flows, and their JSON form.

Retention (log odds) and acquisition (log) respond to the log of the price, to classes that are fuller than
comfortable and to staff utilisation above comfortable; retention also to attendance of the month before.
Visits per member (log) respond to the log of classes per member. The slopes are estimated in `estimation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.regressors import (
    REGRESSORS_OF,
    Comfort,
    classes_per_member,
    contribution,
)
from studio_pipeline.panel.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class OwnResponses:
    """Studios whose own months are a noticeable part of a response; all others have the panel's.

    Attributes:
        studios: (M,) names.
        shares: (M,) share of a studio's own months in its posterior, 0..1.
        others: (M,) share of the other studios' months.
        slopes: (M,) each studio's slope; empty where studios don't differ detectably.
        errors: (M,) their standard errors; empty with the slopes.
    """

    studios: tuple[str, ...]
    shares: tuple[float, ...]
    others: tuple[float, ...]
    slopes: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()

    @cached_property
    def places(self) -> dict[str, int]:
        """Index of each studio."""
        return {name: place for place, name in enumerate(self.studios)}


@dataclass(frozen=True)
class Responses:
    """The responses of a panel's flows.

    Attributes:
        effects: flow to regressor to the panel's effect on the flow's scale per unit of the regressor (log
            price, rate points, log classes per member).
        comfort: thresholds above which attendance and staff utilisation are burdens.
        own: flow to regressor to the studios whose own months are a noticeable part of it.
        typical_classes: log of classes per member, used where classes are unknown.
        price_growth: monthly growth of the market's price level, of the log; a price that grows with it is no
            change.
    """

    effects: Mapping[str, Mapping[str, LeverEffect]]
    comfort: Comfort = field(default_factory=Comfort)
    own: Mapping[str, Mapping[str, OwnResponses]] = field(default_factory=dict)
    typical_classes: float = 0.0
    price_growth: float = 0.0

    def market_price(self, month_numbers: IntArray) -> FloatArray:
        """Log of the market's price level, up to a constant, in months since January 1970."""
        return np.asarray(self.price_growth * month_numbers, dtype=np.float64)

    def slope(self, flow: str, regressor: str) -> float:
        """Panel's slope; 0 if there is none."""
        effect = self.effects.get(flow, {}).get(regressor)
        return 0.0 if effect is None else effect.effect

    def effect(self, flow: str, regressor: str, studio_id: str) -> LeverEffect | None:
        """One studio's effect with its source; None if the flow's regressor is not in the data."""
        pooled = self.effects.get(flow, {}).get(regressor)
        own = self.own.get(flow, {}).get(regressor)
        place = None if own is None else own.places.get(studio_id)
        if pooled is None or own is None or place is None:
            return pooled
        found = replace(pooled, studio_share=own.shares[place], others_share=own.others[place])
        if not own.slopes:
            return found
        return replace(found, effect=own.slopes[place], standard_error=own.errors[place])

    def rows(self, studio_ids: Sequence[str]) -> RowResponses:
        """Responses of N studios; a studio that was not in the estimation gets the pooled slopes."""
        slopes = {}
        for flow, effects in self.effects.items():
            for regressor in effects:
                slopes[flow, regressor] = np.full(len(studio_ids), self.slope(flow, regressor))
                own = self.own.get(flow, {}).get(regressor)
                if own is not None and own.slopes:
                    places = np.array([own.places.get(str(name), -1) for name in studio_ids], dtype=np.int64)
                    single = np.array(own.slopes)[places]
                    slopes[flow, regressor] = np.where(places >= 0, single, slopes[flow, regressor])
        return RowResponses(self, tuple(str(name) for name in studio_ids), slopes)

    def contribution(
        self,
        flow: str,
        price_log: FloatArray,
        attendance_before: FloatArray,
        utilization: FloatArray,
        attendance: FloatArray | None = None,
    ) -> FloatArray:
        """Sum of slopes times regressors for retention or acquisition, on the flow's scale.

        An unknown rate contributes as its typical value. No price is typical in every currency, so the sum is
        NaN where the price is unknown and its slope isn't 0.

        Args:
            flow: "retention" or "acquisition".
            price_log: log of the price, of any shape; the other arrays have the same shape.
            attendance_before: attendance rate of the month before, 0..1.
            utilization: staff utilisation of the month, 0..1.
            attendance: attendance rate of the month itself; that of the month before if not given.
        """
        slopes = {name: np.array(self.slope(flow, name)) for name in REGRESSORS_OF[flow]}
        now = attendance_before if attendance is None else attendance
        return contribution(slopes, self.comfort, price_log, (attendance_before, now), utilization)

    def visits_contribution(self, classes: FloatArray, members: FloatArray) -> FloatArray:
        """Contribution of classes per member to the log of visits per member."""
        slope = self.slope("visits", "classes")
        return slope * classes_per_member(classes, members, self.typical_classes)


def without_effect(effects: Mapping[str, Mapping[str, LeverEffect]]) -> dict[str, dict[str, LeverEffect]]:
    """`LeverEffect.taken_as_none` of every effect, by flow and regressor."""
    return {
        flow: {name: effect.taken_as_none() for name, effect in found.items()}
        for flow, found in effects.items()
    }


@dataclass(frozen=True)
class RowResponses:
    """The responses of N studios.

    Attributes:
        pool: responses of the panel.
        studio_ids: (N,) names.
        slopes: (flow, regressor) to the (N,) slopes.
    """

    pool: Responses
    studio_ids: tuple[str, ...]
    slopes: Mapping[tuple[str, str], FloatArray]

    def slope(self, flow: str, regressor: str) -> FloatArray:
        """(N,) slopes; 0 if there is none."""
        return self.slopes.get((flow, regressor), np.zeros(len(self.studio_ids)))

    def effect(self, flow: str, regressor: str, row: int) -> LeverEffect | None:
        """One row's effect with its source; None if the flow's regressor is not in the data."""
        return self.pool.effect(flow, regressor, self.studio_ids[row])

    def take(self, rows: IntArray) -> RowResponses:
        """Subset of the rows, in the order given."""
        names = tuple(self.studio_ids[row] for row in rows.tolist())
        return RowResponses(self.pool, names, {key: slope[rows] for key, slope in self.slopes.items()})

    @property
    def comfort(self) -> Comfort:
        """Thresholds above which attendance and staff utilisation are burdens."""
        return self.pool.comfort

    def market_price(self, month_numbers: IntArray) -> FloatArray:
        """As `Responses.market_price`."""
        return self.pool.market_price(month_numbers)

    @property
    def typical_classes(self) -> float:
        """Log of classes per member, used where classes are unknown."""
        return self.pool.typical_classes

    def contribution(
        self,
        flow: str,
        price_log: FloatArray,
        attendance_before: FloatArray,
        utilization: FloatArray,
        attendance: FloatArray | None = None,
    ) -> FloatArray:
        """As `Responses.contribution`, the arrays' first axis being the N rows."""
        slopes = {name: _along(self.slope(flow, name), price_log) for name in REGRESSORS_OF[flow]}
        now = attendance_before if attendance is None else attendance
        return contribution(slopes, self.comfort, price_log, (attendance_before, now), utilization)

    def visits_contribution(self, classes: FloatArray, members: FloatArray) -> FloatArray:
        """As `Responses.visits_contribution`, the arrays' first axis being the N rows."""
        slope = _along(self.slope("visits", "classes"), classes)
        return slope * classes_per_member(classes, members, self.typical_classes)


def _along(slope: FloatArray, values: FloatArray) -> FloatArray:
    return slope.reshape(slope.shape + (1,) * (values.ndim - 1))


def responses_to_json(responses: Responses) -> dict[str, Any]:
    """Convert to plain lists and numbers for JSON; floats round-trip exactly."""
    names = {name for own in responses.own.values() for one in own.values() for name in one.studios}
    studios = sorted(names)
    number = {name: k for k, name in enumerate(studios)}
    return {
        "effects": {
            flow: {name: list(astuple(effect)) for name, effect in effects.items()}
            for flow, effects in responses.effects.items()
        },
        "comfort": asdict(responses.comfort),
        "typical_classes": responses.typical_classes,
        "price_growth": responses.price_growth,
        "studios": studios,
        "own": {
            flow: {
                name: [
                    [number[s] for s in one.studios],
                    list(one.shares),
                    list(one.others),
                    list(one.slopes),
                    list(one.errors),
                ]
                for name, one in own.items()
            }
            for flow, own in responses.own.items()
        },
    }


def responses_from_json(stored: Mapping[str, Any]) -> Responses:
    """Inverse of `responses_to_json`."""
    studios = stored["studios"]
    return Responses(
        {
            flow: {name: LeverEffect(*effect) for name, effect in effects.items()}
            for flow, effects in stored["effects"].items()
        },
        Comfort(**stored["comfort"]),
        {
            flow: {
                name: OwnResponses(tuple(studios[k] for k in numbers), *map(tuple, columns))
                for name, (numbers, *columns) in own.items()
            }
            for flow, own in stored["own"].items()
        },
        stored["typical_classes"],
        stored["price_growth"],
    )
