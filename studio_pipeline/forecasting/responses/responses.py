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
    burden,
    classes_per_member,
    known_attendance,
    response,
)
from studio_pipeline.panel.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class OwnResponses:
    """Studios whose own months are a noticeable part of a response; all others have the panel's."""

    studios: tuple[str, ...]  # (M,) names
    shares: tuple[float, ...]  # (M,) share of a studio's own months in its posterior, 0..1
    others: tuple[float, ...]  # (M,) share of the other studios' months
    slopes: tuple[float, ...] = ()  # (M,) each studio's slope; empty where studios don't differ detectably
    errors: tuple[float, ...] = ()  # (M,) their standard errors; empty with the slopes

    @cached_property
    def places(self) -> dict[str, int]:
        """Index of each studio."""
        return {name: place for place, name in enumerate(self.studios)}


@dataclass(frozen=True)
class Responses:
    """The responses of a panel's flows."""

    # flow to regressor to the panel's effect on the flow's scale per unit of the regressor (log price, rate
    # points, log classes per member)
    effects: Mapping[str, Mapping[str, LeverEffect]]
    # thresholds above which attendance and staff utilisation are burdens
    comfort: Comfort = field(default_factory=Comfort)
    # flow to regressor to the studios whose own months are a noticeable part of it
    own: Mapping[str, Mapping[str, OwnResponses]] = field(default_factory=dict)
    typical_classes: float = 0.0  # log of classes per member, used where classes are unknown
    # monthly growth of the market's price level, of the log; a price that grows with it is no change
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
                    places = np.array([own.places.get(name, -1) for name in studio_ids], dtype=np.int64)
                    single = np.array(own.slopes)[places]
                    slopes[flow, regressor] = np.where(places >= 0, single, slopes[flow, regressor])
        return RowResponses(self, len(studio_ids), slopes)


def without_effect(effects: Mapping[str, Mapping[str, LeverEffect]]) -> dict[str, dict[str, LeverEffect]]:
    """`LeverEffect.taken_as_none` of every effect, by flow and regressor."""
    return {
        flow: {name: effect.taken_as_none() for name, effect in found.items()}
        for flow, found in effects.items()
    }


@dataclass(frozen=True)
class RowResponses:
    """The responses of N studios."""

    pool: Responses  # responses of the panel
    n_studios: int  # N
    slopes: Mapping[tuple[str, str], FloatArray]  # (flow, regressor) to the (N,) slopes

    def slope(self, flow: str, regressor: str) -> FloatArray:
        """(N,) slopes; 0 if there is none."""
        return self.slopes.get((flow, regressor), np.zeros(self.n_studios))

    def take(self, rows: IntArray) -> RowResponses:
        """Subset of the rows, in the order given."""
        return RowResponses(self.pool, len(rows), {key: slope[rows] for key, slope in self.slopes.items()})

    def contribution(
        self,
        flow: str,
        price_log: FloatArray,
        attendance_before: FloatArray,
        attendance: FloatArray,
        utilization: FloatArray,
    ) -> FloatArray:
        """(N, T) sum of slopes times regressors for retention or acquisition, on the flow's scale.

        An unknown rate contributes as its typical value. No price is typical in every currency, so the sum is
        NaN where the price is unknown and its slope isn't 0.

        Args:
            attendance_before: attendance rates of the month before, 0..1; `attendance`: of the month.
            utilization: staff utilisation of the month, 0..1.
        """
        slopes = {name: self.slope(flow, name)[:, None] for name in REGRESSORS_OF[flow]}
        comfort, before = self.pool.comfort, known_attendance(attendance_before)
        crowded = known_attendance(attendance) if comfort.same_month else before
        worked = np.where(np.isfinite(utilization), utilization, comfort.utilization)
        regressors = {
            "crowding": burden(crowded, comfort.attendance_rate),
            "overwork": burden(worked, comfort.utilization),
        }
        if "fullness" in slopes:
            regressors["fullness"] = before
        regressors["price"] = np.where(slopes["price"] != 0, price_log, 0.0)
        return response(np.zeros(()), slopes, regressors)

    def visits_contribution(self, classes: FloatArray, members: FloatArray) -> FloatArray:
        """(N, T) contribution of classes per member to the log of visits per member."""
        slope = self.slope("visits", "classes")[:, None]
        return slope * classes_per_member(classes, members, self.pool.typical_classes)


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
                name: [[number[s] for s in one.studios], *map(list, astuple(one)[1:])]
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
