"""Regressors of the lever responses with their comfort thresholds, and the priors of their slopes.

Posterior and prior are combined by precision, the conjugate normal update (Gelman et al., Bayesian Data
Analysis, 3rd edition, section 2.5). Which responses are estimated stands in `response_estimation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.flows import previous_month
from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

TYPICAL_ATTENDANCE = 0.65

RESPONDING = ("retention", "acquisition")
REGRESSORS_OF: dict[str, tuple[str, ...]] = {
    "retention": ("price", "fullness", "crowding", "overwork"),
    "acquisition": ("price", "crowding", "overwork"),
    "visits": ("classes",),
}
"""What each flow may respond to. Joiners don't know how full classes were, and their own visits fill them."""


@dataclass(frozen=True)
class Comfort:
    """From where on more is a burden.

    Attributes:
        attendance_rate: above it classes are crowded, 0..1.
        utilization: above it staff are overworked, 0..1.
        same_month: whether crowding is felt in its own month; else in the month after.
    """

    attendance_rate: float = 0.8
    utilization: float = 0.85
    same_month: bool = False


def contribution(
    slopes: Mapping[str, FloatArray],
    comfort: Comfort,
    price_log: FloatArray,
    attendance: tuple[FloatArray, FloatArray],
    utilization: FloatArray,
) -> FloatArray:
    """What the regressors add to retention or acquisition, on the flow's scale.

    An unknown rate adds what its typical value would.

    Args:
        slopes: regressor to its slope, of a shape that goes with the other arrays'.
        comfort: from where on attendance and utilisation are burdens.
        price_log: log of the price; counts only where its slope isn't 0.
        attendance: rates of the month before and of the month itself.
        utilization: of staff, of the month.
    """
    before, now = (np.where(np.isfinite(rate), rate, TYPICAL_ATTENDANCE) for rate in attendance)
    crowded = crowding(now if comfort.same_month else before, comfort.attendance_rate)
    worked = np.where(np.isfinite(utilization), utilization, comfort.utilization)
    total = slopes["crowding"] * crowded + slopes["overwork"] * overwork(worked, comfort.utilization)
    if "fullness" in slopes:
        total = total + slopes["fullness"] * before
    counted = np.where(slopes["price"] != 0, price_log, 0.0)
    return np.asarray(total + slopes["price"] * counted)


def crowding(attendance: FloatArray, comfortable: float = Comfort.attendance_rate) -> FloatArray:
    """Attendance above the comfortable rate, in rate points."""
    return np.maximum(attendance - comfortable, 0.0)


def overwork(utilization: FloatArray, comfortable: float = Comfort.utilization) -> FloatArray:
    """Staff utilisation above the comfortable rate, in rate points."""
    return np.maximum(utilization - comfortable, 0.0)


def starting_members(panel: StudioPanel) -> FloatArray:
    """(S, T) members at each month's start; where they are unknown, those at its end."""
    members = panel.values["total_members"]
    before = previous_month(members)
    return np.where(np.isfinite(before), before, members)


def classes_per_member(
    classes: FloatArray, members: FloatArray, unknown: float | FloatArray = np.nan
) -> FloatArray:
    """Log of classes a member; `unknown` where there are none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.log(classes / members)
    return np.where(np.isfinite(density), density, unknown)


INFORMED = ("price",)
"""Regressors whose prior states a sign and a size: it stands in wherever the data say little."""


@dataclass(frozen=True)
class ResponsePrior:
    """A normal prior of one response.

    Attributes:
        mean: on the flow's scale, per unit of the regressor; 0 where only a size is assumed.
        standard_deviation: same unit, above 0.
    """

    mean: float
    standard_deviation: float

    def effect(self, responds: bool = True) -> LeverEffect:
        """The response where the data allow no estimate; where it is taken as 0, its error holds the mean."""
        if responds:
            return LeverEffect("prior", self.mean, self.standard_deviation)
        return LeverEffect("prior", 0.0, math.hypot(self.mean, self.standard_deviation))

    def posterior(self, estimate: float, standard_error: float) -> tuple[float, float]:
        """Mean and standard deviation given an estimate with a finite standard error above 0."""
        prior_precision, precision = self.standard_deviation**-2, standard_error**-2
        total = prior_precision + precision
        return (prior_precision * self.mean + precision * estimate) / total, math.sqrt(1 / total)


@dataclass(frozen=True)
class ResponsePriors:
    """The priors of all responses.

    Attributes:
        price: of retention's log odds and of the log of new members, on the log of the price.
        others: of every other response.
    """

    price: ResponsePrior
    others: ResponsePrior

    @classmethod
    def of(cls, hyperparameters: CoreHyperparameters) -> ResponsePriors:
        """As configured."""
        return cls(
            ResponsePrior(hyperparameters.price_response_mean, hyperparameters.price_response_scale),
            ResponsePrior(0.0, hyperparameters.response_prior_scale),
        )

    def prior(self, regressor: str) -> ResponsePrior:
        """The prior of one regressor's response."""
        return self.price if regressor in INFORMED else self.others
