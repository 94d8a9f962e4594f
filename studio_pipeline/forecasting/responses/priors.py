"""Priors of the lever responses, and the posterior of a flow's slopes.

Prior and months are combined by precision, the conjugate normal update; the result is truncated to the side
that economics allows. The figures of the priors and their sources are in `base.hyperparameters` and in
`docs/model.md`. The likelihood of the slopes is computed in `gls`.
Source: Gelman et al., Bayesian Data Analysis, 3rd edition, sections 2.5 and 14.8; Johnson, Kotz &
Balakrishnan, Continuous Univariate Distributions, volume 1, section 10.1, for the truncated normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import ResponseHyperparameters, ResponsePrior
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.panel.arrays import FloatArray

BURDENS = ("price", "crowding", "overwork")
"""Regressors whose slope can't be positive: more of them doesn't win members. No other slope is negative."""

_FLAT_PRECISION = 1e-9
_FAR_OUT = -100.0


def prior_effect(priors: ResponseHyperparameters, flow: str, regressor: str) -> LeverEffect:
    """Effect where the months say nothing: the truncated prior of a lever."""
    prior = priors.prior(flow, regressor)
    if prior is None:
        raise ValueError(f"{regressor} of {flow} has no prior")
    return LeverEffect(*truncated(regressor, prior.mean, prior.standard_deviation))


def truncated(regressor: str, mean: float, deviation: float) -> tuple[float, float]:
    """Mean and standard deviation of a normal distribution cut off at 0 on the side that is not allowed."""
    from scipy.special import erfcx

    sign = -1.0 if regressor in BURDENS else 1.0
    z = sign * mean / deviation
    if z < _FAR_OUT:
        # Almost all of it is cut off: what is left is near exponential.
        return -sign * deviation / z, -deviation / z
    mills = float(np.sqrt(2 / np.pi) / erfcx(-z / np.sqrt(2)))
    return sign * deviation * (z + mills), deviation * float(np.sqrt(1 - mills * (z + mills)))


@dataclass(frozen=True)
class Posterior:
    """Normal posterior of K slopes, before truncation."""

    mean: FloatArray  # (K,)
    covariance: FloatArray  # (K, K)
    prior_shares: FloatArray  # (K,) share of the prior in the precision of each slope, 0..1
    log_evidence: float  # log marginal likelihood up to a constant that all choices of columns share


def posterior(gram: FloatArray, score: FloatArray, priors: Sequence[ResponsePrior | None]) -> Posterior:
    """Combine the (K, K) precision of the slopes by the months, and that precision times the estimates, with
    independent priors; None for a control, whose prior is flat.
    """
    precision = np.array([_FLAT_PRECISION if p is None else p.standard_deviation**-2 for p in priors])
    mean = np.array([0.0 if p is None else p.mean for p in priors])
    total, pull = gram + np.diag(precision), score + precision * mean
    covariance = np.linalg.inv(total)
    found = covariance @ pull
    evidence = 0.5 * float(pull @ found) - 0.5 * float(np.linalg.slogdet(total)[1])
    return Posterior(
        found,
        np.asarray(covariance, dtype=np.float64),
        np.clip(precision * np.diag(covariance), 0.0, 1.0),
        evidence,
    )
