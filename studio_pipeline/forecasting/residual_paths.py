"""A bounded number of whole error paths over the months ahead, from residuals that forecasts had not seen."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from studio_pipeline.panel.arrays import FloatArray

N_PATHS = 256

_FEWEST_PATHS = 60
_SEED = 20_190_401


def own_paths(scaled: FloatArray, weights: FloatArray, levels: FloatArray, table: FloatArray) -> FloatArray:
    """(K, H) paths of own errors over their deviations.

    How months hang together is that of whole residual paths, taken evenly by weight in the order of their
    means; each month's values are then those of its table of quantiles, by rank, so that paths and tables say
    the same of any one month. Too few whole paths are replaced by those of a random walk.

    Args:
        scaled: (N, H) scaled own residuals, NaN where not known.
        weights: (N,) at least 0.
        levels: (Q,) of the table.
        table: (H, Q) quantiles.
    """
    whole = np.flatnonzero(np.isfinite(scaled).all(1))
    if len(whole) >= _FEWEST_PATHS:
        order = whole[np.argsort(scaled[whole].mean(1), kind="stable")]
        share = np.cumsum(weights[order]) / weights[order].sum()
        drawn = scaled[order[np.searchsorted(share, (np.arange(N_PATHS) + 0.5) / N_PATHS)]]
    else:
        drawn = np.random.default_rng(_SEED).standard_normal((N_PATHS, scaled.shape[1])).cumsum(1)
    ranks = drawn.argsort(0, kind="stable").argsort(0, kind="stable")
    places = (ranks + 0.5) / N_PATHS
    return np.stack([np.interp(places[:, h], levels, row) for h, row in enumerate(table)], axis=1)


def common_paths(covariance: FloatArray) -> FloatArray:
    """(K, H) normal paths with mean 0 and an (H, H) covariance, both exactly."""
    rng = np.random.default_rng(_SEED)
    n_horizons = len(covariance)
    # Each column's values are evenly spaced normal quantiles in a drawn order, then made uncorrelated.
    order = rng.random((N_PATHS, n_horizons)).argsort(0, kind="stable")
    normal = normal_quantiles(N_PATHS)[order]
    normal = normal - normal.mean(0)
    white = normal @ np.linalg.inv(np.linalg.cholesky(normal.T @ normal / N_PATHS)).T
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(white @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)


def normal_quantiles(n: int) -> FloatArray:
    """(n,) increasing values that stand for equal shares of the standard normal distribution."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((place + 0.5) / n) for place in range(n)])
