"""Normal priors of the lever responses, and the posterior of an estimate under one.

Posterior and prior are combined by precision, the conjugate normal update (Gelman et al., Bayesian Data
Analysis, 3rd edition, section 2.5). Which responses are estimated stands in `response_estimation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from studio_pipeline.forecasting.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.queries import LeverEffect

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
