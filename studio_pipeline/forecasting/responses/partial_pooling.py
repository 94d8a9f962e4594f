"""Partial pooling: each studio's own slope by empirical Bayes, shrunk towards the panel's.

The panel's slopes are estimated in `gls` and selected in `selection`.
Sources: Efron & Morris (1975), JASA 70; DerSimonian & Laird (1986), Controlled Clinical Trials 7(3), for the
variance between studios by the method of moments.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.forecasting.responses.gls import ErrorComponents, Information, PanelRows, information
from studio_pipeline.forecasting.responses.regressors import INFORMED, ResponsePrior, ResponsePriors
from studio_pipeline.forecasting.responses.responses import OwnResponses
from studio_pipeline.forecasting.responses.selection import BURDENS, CONTROLS, Found, Selection
from studio_pipeline.panel.arrays import BoolArray, FloatArray

_STUDIOS_AT_ONCE = 500
_DETECTABLE = 2.5
_DIGITS = 6
_LEAST_MOVE = 1e-6


def own_responses(
    rows: PanelRows,
    components: ErrorComponents,
    info: Information,
    selection: Selection,
    studio_ids: NDArray[np.str_],
    priors: ResponsePriors,
) -> dict[str, OwnResponses]:
    """Studios with an own estimate of each response that rests on data, with their slopes.

    A studio takes part if it moved the lever and its months determine the slope more precisely than the prior
    of the uninformed responses does.

    Args:
        rows: the studio-months of all S studios.
        components: error components.
        info: information of the studios that the panel's slopes are estimated on.
        selection: the regressors that are used.
        studio_ids: (S,) names.
        priors: priors of the effects.
    """
    used = list(selection.used.values())
    if not used:
        return {}
    spread = _between_variance(info.gram[:, used][:, :, used], info.score[:, used], selection)
    gram, score = _every_studio(rows, components, info.market, used)
    own = {}
    for place, name in enumerate(selection.used):
        found, prior = selection.found[name], priors.prior(name)
        if name in CONTROLS or not (found.credible or _outweighs(found, prior, name)):
            continue
        precision = gram[:, place, place] / selection.slopes.scale
        informative = (precision > priors.others.standard_deviation**-2) & _moved(rows, selection.used[name])
        studios = tuple(studio_ids[informative].tolist())
        if spread[place] == 0:
            own[name] = OwnResponses(studios)
            continue
        of_studio = score[:, place] - gram[:, place] @ selection.slopes.slope
        pool, pool_error = prior.posterior(found.estimate, found.standard_error)
        estimates = found.estimate + of_studio[informative] / gram[informative, place, place]
        slopes, errors = shrunk(
            pool, pool_error, estimates - pool, 1 / precision[informative], float(spread[place])
        )
        slopes = np.minimum(slopes, 0.0) if name in BURDENS else np.maximum(slopes, 0.0)
        own[name] = OwnResponses(studios, _rounded(slopes), _rounded(errors))
    return own


def _outweighs(found: Found, prior: ResponsePrior, name: str) -> bool:
    """True if a response has an informed prior and the data estimate it more precisely than that prior."""
    return name in INFORMED and found.standard_error < prior.standard_deviation


def shrunk(
    pool: float, pool_error: float, departure: FloatArray, variance: FloatArray, between: float
) -> tuple[FloatArray, FloatArray]:
    """Empirical Bayes slopes and their standard errors.

    Args:
        pool: the panel's slope, posterior of its prior.
        pool_error: its standard error.
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


def _between_variance(gram: FloatArray, score: FloatArray, selection: Selection) -> FloatArray:
    """(K,) variance of each slope between studios by the method of moments; 0 where it is not detectable."""
    weight = np.diagonal(gram, axis1=1, axis2=2)
    of_studio = score - gram @ selection.slopes.slope
    scale, squares = selection.slopes.scale, np.maximum((weight**2).sum(0), 1e-300)
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
        part = few.select(some)
        part_info = information(part, components, market)
        grams.append(part_info.gram)
        scores.append(part_info.score)
    return np.concatenate(grams), np.concatenate(scores)


def _rounded(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)
