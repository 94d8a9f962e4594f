"""Partial pooling: each studio's own slope by empirical Bayes, shrunk towards the panel's.

The panel's slopes are estimated in `gls` and combined with their priors in `estimation`.
Sources: Efron & Morris (1975), JASA 70; DerSimonian & Laird (1986), Controlled Clinical Trials 7(3), for the
variance between studios by the method of moments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.candidates import CONTROLS
from studio_pipeline.forecasting.responses.gls import (
    ErrorComponents,
    PanelRows,
    Regression,
    Slopes,
    information,
)
from studio_pipeline.forecasting.responses.priors import BURDENS
from studio_pipeline.forecasting.responses.responses import OwnResponses
from studio_pipeline.panel.arrays import BoolArray, FloatArray

_STUDIOS_AT_ONCE = 500
_LEAST_SHARE = 0.01
_DETECTABLE = 2.5
_DIGITS = 6
_LEAST_MOVE = 1e-6


def own_responses(
    regression: Regression, effects: Mapping[str, LeverEffect], studio_ids: NDArray[np.str_]
) -> dict[str, OwnResponses]:
    """Regressor to the studios whose own months are a noticeable part of a flow's response, with their slopes
    where studios differ. `effects`: regressor to the panel's posterior.
    """
    rows, info, slopes = regression.rows, regression.info, regression.slopes
    columns, names = regression.columns, regression.names
    gram_of, score_of = info.gram[:, columns][:, :, columns], info.score[:, columns]
    spread = _between_variance(gram_of, score_of, slopes)
    gram, score = _every_studio(rows, regression.components, info.market, columns)
    own = {}
    for place, name in enumerate(names):
        if name in CONTROLS or not regression.has_moved(place):
            continue
        pool = effects[name]
        total = max(float(gram_of[:, place, place].sum()), 1e-12)
        part = np.minimum(gram[:, place, place] / total, 1.0)
        variance = slopes.scale / np.maximum(gram[:, place, place], 1e-12)
        between = float(spread[place])
        kept = between / (between + variance)
        shares = kept + (1 - kept) * pool.others_share * part
        others = (1 - kept) * pool.others_share * (1 - part)
        noticeable = (shares > _LEAST_SHARE) & _moved(rows, columns[place])
        if not noticeable.any():
            continue
        studios = tuple(studio_ids[noticeable].tolist())
        evidence = _rounded(shares[noticeable]), _rounded(others[noticeable])
        if between == 0:
            own[name] = OwnResponses(studios, *evidence)
            continue
        of_studio = (score[:, place] - gram[:, place] @ slopes.slope)[noticeable]
        estimates = slopes.slope[place] + of_studio / gram[noticeable, place, place]
        means, errors = shrunk(
            pool.effect, pool.standard_error, estimates - pool.effect, variance[noticeable], between
        )
        means = np.minimum(means, 0.0) if name in BURDENS else np.maximum(means, 0.0)
        own[name] = OwnResponses(studios, *evidence, _rounded(means), _rounded(errors))
    return own


def shrunk(
    pool: float, pool_error: float, departure: FloatArray, variance: FloatArray, between: float
) -> tuple[FloatArray, FloatArray]:
    """Empirical Bayes slopes and their standard errors.

    Args:
        pool: the panel's slope, posterior of its prior, with its standard error `pool_error`.
        departure: (M,) each studio's own estimate minus the pool.
        variance: (M,) sampling variance of that estimate.
        between: variance of true slopes between studios.
    """
    share = between / (between + variance)
    return pool + share * departure, np.sqrt(pool_error**2 + between * (1 - share))


def _moved(rows: PanelRows, column: int) -> BoolArray:
    """(S,) mask of the studios in whose months the regressor changes.

    A studio that keeps it constant serves as a control for the others but has no slope of its own.
    """
    lowest = np.where(rows.known, rows.regressors[column], np.inf).min(1)
    highest = np.where(rows.known, rows.regressors[column], -np.inf).max(1)
    return np.asarray(highest - lowest > _LEAST_MOVE)


def _between_variance(gram: FloatArray, score: FloatArray, slopes: Slopes) -> FloatArray:
    """(K,) variance of each slope between studios by the method of moments; 0 where it is not detectable."""
    weight = np.diagonal(gram, axis1=1, axis2=2)
    of_studio = score - gram @ slopes.slope
    scale, squares = slopes.scale, np.maximum((weight**2).sum(0), 1e-300)
    between = ((of_studio**2).sum(0) - scale * weight.sum(0)) / squares
    error = scale * np.sqrt(2 / squares)
    return np.where(between > _DETECTABLE * error, between, 0.0)


def _every_studio(
    rows: PanelRows, components: ErrorComponents, market: FloatArray, used: list[int]
) -> tuple[FloatArray, FloatArray]:
    """(S, K, K) gram and (S, K) score of all studios given the market's effects, in batches for memory."""
    few = replace(rows, regressors=rows.regressors[used])
    market = market[:, :, [*used, -1]]
    grams, scores = [], []
    for first in range(0, len(rows.known), _STUDIOS_AT_ONCE):
        some = slice(first, first + _STUDIOS_AT_ONCE)
        info = information(few.select(some), components, market)
        grams.append(info.gram)
        scores.append(info.score)
    return np.concatenate(grams), np.concatenate(scores)


def _rounded(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)
