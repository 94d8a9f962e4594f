"""Regressors of the lever responses with their comfort thresholds, and the priors of their slopes.

Also the sum of slopes times regressors that is added to a flow. Prior and estimate are combined by precision,
the conjugate normal update. The slopes are estimated in `estimation` and stored in `responses`.
Source: Gelman et al., Bayesian Data Analysis, 3rd edition, section 2.5.
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
"""Flow to the regressors that it may respond to. Acquisition has no fullness: new members don't know how full
classes were before they joined, and their own visits add to it.
"""


@dataclass(frozen=True)
class Comfort:
    """Thresholds above which attendance and staff utilisation are burdens.

    Attributes:
        attendance_rate: rate above which classes are crowded, 0..1.
        utilization: rate above which staff are overworked, 0..1.
        same_month: crowding acts in its own month; else in the month after.
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
    """Sum of slopes times regressors for retention or acquisition, on the flow's scale.

    An unknown rate contributes as its typical value.

    Args:
        slopes: regressor to its slope, broadcastable to the other arrays.
        comfort: thresholds of the burdens.
        price_log: log of the price; used only where its slope isn't 0.
        attendance: rates of the month before and of the month itself, 0..1.
        utilization: staff utilisation of the month, 0..1.
    """
    before, now = (known_attendance(rate) for rate in attendance)
    crowded = crowding(now if comfort.same_month else before, comfort.attendance_rate)
    worked = np.where(np.isfinite(utilization), utilization, comfort.utilization)
    regressors = {"crowding": crowded, "overwork": overwork(worked, comfort.utilization)}
    if "fullness" in slopes:
        regressors["fullness"] = before
    regressors["price"] = np.where(slopes["price"] != 0, price_log, 0.0)
    return response(np.zeros(()), slopes, regressors)


def response(
    level: FloatArray, slopes: Mapping[str, FloatArray], regressors: Mapping[str, FloatArray]
) -> FloatArray:
    """A flow's level plus its slopes times the regressors, added in their order."""
    for name, values in regressors.items():
        level = level + slopes[name] * values
    return level


def known_attendance(rate: FloatArray) -> FloatArray:
    """Attendance rates, an unknown one as the typical rate."""
    return np.where(np.isfinite(rate), rate, TYPICAL_ATTENDANCE)


def crowding(attendance: FloatArray, comfortable: float | FloatArray = Comfort.attendance_rate) -> FloatArray:
    """Attendance above the comfortable rate, in rate points."""
    return np.maximum(attendance - comfortable, 0.0)


def overwork(utilization: FloatArray, comfortable: float | FloatArray = Comfort.utilization) -> FloatArray:
    """Staff utilisation above the comfortable rate, in rate points."""
    return np.maximum(utilization - comfortable, 0.0)


def starting_members(panel: StudioPanel) -> FloatArray:
    """(S, T) members at each month's start; where unknown, those at its end."""
    members = panel.values["total_members"]
    before = previous_month(members)
    return np.where(np.isfinite(before), before, members)


def classes_per_member(
    classes: FloatArray, members: FloatArray, unknown: float | FloatArray = np.nan
) -> FloatArray:
    """Log of classes per member; `unknown` where it is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        density = np.log(classes / members)
    return np.where(np.isfinite(density), density, unknown)


INFORMED = ("price",)
"""Regressors whose prior has a sign and a size, so that it is used where the data are weak."""


@dataclass(frozen=True)
class ResponsePrior:
    """Normal prior of one response.

    Attributes:
        mean: on the flow's scale, per unit of the regressor; 0 if only a size is assumed.
        standard_deviation: same unit, above 0.
    """

    mean: float
    standard_deviation: float

    def effect(self, responds: bool = True) -> LeverEffect:
        """Effect used if the data allow no estimate; without a response it is 0 and its error includes the
        mean.
        """
        effect = LeverEffect("prior", self.mean, self.standard_deviation)
        return effect if responds else effect.taken_as_none()

    def posterior(self, estimate: float, standard_error: float) -> tuple[float, float]:
        """Mean and standard deviation given an estimate with a finite standard error above 0."""
        prior_precision, precision = self.standard_deviation**-2, standard_error**-2
        total = prior_precision + precision
        return (prior_precision * self.mean + precision * estimate) / total, math.sqrt(1 / total)


@dataclass(frozen=True)
class ResponsePriors:
    """The priors of all responses.

    Attributes:
        price: prior of the response of retention's log odds and of log new members to the log of the price.
        others: prior of every other response.
    """

    price: ResponsePrior
    others: ResponsePrior

    @classmethod
    def of(cls, hyperparameters: CoreHyperparameters) -> ResponsePriors:
        """Priors as configured."""
        return cls(
            ResponsePrior(hyperparameters.price_response_mean, hyperparameters.price_response_scale),
            ResponsePrior(0.0, hyperparameters.response_prior_scale),
        )

    def prior(self, regressor: str) -> ResponsePrior:
        """Prior of one regressor's response."""
        return self.price if regressor in INFORMED else self.others
