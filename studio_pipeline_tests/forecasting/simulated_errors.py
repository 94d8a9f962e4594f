"""Forecast errors whose truth is known: own random walks, each studio as jumpy as its past, and a market."""

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.features.formulas import WINDOW_MONTHS
from studio_pipeline.panel.arrays import FloatArray, IntArray

COLUMNS = ("total_revenue", "total_members", "new_members")


@dataclass(frozen=True)
class Simulated:
    forecast: FloatArray
    actual: FloatArray
    windows: dict[str, FloatArray]
    months: IntArray
    deviation: FloatArray


def windows(revenue: FloatArray) -> dict[str, FloatArray]:
    """Windows of a panel of revenue alone."""
    filled = np.full((len(revenue), WINDOW_MONTHS), np.nan)
    filled[:, WINDOW_MONTHS - revenue.shape[1] :] = revenue
    return {name: filled if name == "total_revenue" else np.full_like(filled, np.nan) for name in COLUMNS}


def simulated_errors(
    seed: int,
    n_months: int = 40,
    n_studios: int = 60,
    common_deviation: float = 0.01,
    persistence: float = 1.0,
) -> Simulated:
    """Origins of `n_studios` in each of `n_months`; a step of own error is the studio's deviation times a
    skewed draw, a step of the common one is normal, and both add up with a persistence.
    """
    rng = np.random.default_rng(seed)
    n, horizons = n_months * n_studios, 12
    months = np.repeat(np.arange(n_months), n_studios)
    deviation = rng.uniform(0.01, 0.06, n)
    past = np.exp((deviation[:, None] * rng.standard_normal((n, WINDOW_MONTHS))).cumsum(1))
    own = deviation[:, None] * (rng.gamma(4, 0.5, (n, horizons)) - 2)
    common = common_deviation * rng.standard_normal((n_months, horizons))[months]
    errors = summed(own + common, persistence)
    forecast = past[:, -1:] * np.exp(rng.normal(0, 0.02, (n, horizons)))
    mean = np.exp(0.5 * (deviation[:, None] ** 2 + common_deviation**2) * np.arange(1, horizons + 1))
    return Simulated(forecast, forecast * np.exp(errors) / mean, windows(past), months, deviation)


def summed(steps: FloatArray, persistence: float) -> FloatArray:
    """Autoregressive sums of (N, H) steps."""
    found = np.zeros_like(steps)
    running = np.zeros(len(steps))
    for h in range(steps.shape[1]):
        running = persistence * running + steps[:, h]
        found[:, h] = running
    return found
