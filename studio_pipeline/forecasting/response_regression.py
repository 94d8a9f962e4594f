"""Generalised least squares for a panel: what slopes the months of many studios speak for, and how loudly.

A studio's error is `effect of the studio + slow walk + fading deviation + own season + noise + counting`. How
much of each there is, `error_components` tells; weighing months by the inverse of their covariance then keeps
slow drifts and lasting moods of a studio from counting as a response. Effects of studios and of each
group's calendar months are taken out exactly. All of it is linear algebra over (studio x month x month)
arrays, without a loop over studios.

Standard errors are those of the delete-one-studio jackknife (CV3), or the model's where those are larger:
fitted residuals are too small, and most so where a few studios moved a lever most. A studio is left out
together with what it told about its market.
Sources: Baltagi, Econometric Analysis of Panel Data, chapters 2 and 5; Bell & McCaffrey (2002), Survey
Methodology 28(2); MacKinnon, Nielsen & Webb (2023), Journal of Applied Econometrics 38(5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.error_components import ErrorComponents
from studio_pipeline.forecasting.panel_rows import PanelRows
from studio_pipeline.panel.arrays import FloatArray

_UNKNOWN_VARIANCE = 1e12
_SINGULAR = 1e-9


@dataclass(frozen=True)
class Information:
    """What each studio's months say about the slopes, effects of studio and market taken out.

    Attributes:
        gram: (S, K, K) weighted cross products of the regressors.
        score: (S, K) of the regressors with the outcome.
        total: (S,) of the outcome with itself.
        market: (G, T, K + 1) what each group's month adds to the regressors and, last, to the outcome.
        weighed: (S, T, K + 1) regressors and outcome, effects taken out, times the precision.
        precision: (S, T) of each month given the studio's others.
        of_others: (S, K + 1, K + 1) cross products of regressors and, last, outcome of all studios but one,
            with the market's effects as those studios alone tell them.
        rows: number of studio-months.
    """

    gram: FloatArray
    score: FloatArray
    total: FloatArray
    market: FloatArray
    weighed: FloatArray
    precision: FloatArray
    of_others: FloatArray
    rows: int

    def slopes(self, chosen: list[int]) -> Slopes:
        """The estimate from some of the regressors."""
        gram, score = self.gram[:, chosen][:, :, chosen], self.score[:, chosen]
        inverse = np.linalg.pinv(gram.sum(0), hermitian=True)
        slope = inverse @ score.sum(0)
        of_studio = score - gram @ slope
        clusters = int((np.abs(of_studio).sum(1) > 0).sum())
        gain = float(score.sum(0) @ slope)
        scale = max(1.0, (float(self.total.sum()) - gain) / max(self.rows, 1))
        by_model = np.sqrt(np.maximum(np.diag(inverse) * scale, 0.0))
        # Few studios say too little about their own variance; the smaller of two such answers is luck.
        error = np.maximum(by_model, self._jackknifed(chosen, slope))
        return Slopes(slope, error, gain, scale, clusters)

    def _jackknifed(self, chosen: list[int], slope: FloatArray) -> FloatArray:
        """(K,) standard errors from the estimates that leave out one studio each."""
        studios = len(self.of_others)
        gram, score = self.of_others[:, chosen][:, :, chosen], self.of_others[:, chosen, -1]
        # Where one studio alone moved a lever, the others say zero: the error is then as large as the slope.
        size = np.diag(self.gram.sum(0))[chosen]
        ridge = np.diag(_SINGULAR * size + np.finfo(float).tiny ** 0.5)
        without = np.linalg.solve(gram + ridge, score[:, :, None])[:, :, 0]
        return np.asarray(np.sqrt((studios - 1) / studios * ((without - slope) ** 2).sum(0)))

    def surprises(self, chosen: list[int], slope: FloatArray) -> FloatArray:
        """(S, T) standardised distance of each month from what the studio's other months foretell."""
        weighed = self.weighed[:, :, -1] - self.weighed[:, :, chosen] @ slope
        return np.asarray(weighed / np.sqrt(np.maximum(self.precision, 1e-12)))


@dataclass(frozen=True)
class Slopes:
    """One regression's result.

    Attributes:
        slope: (K,).
        standard_error: (K,) the larger of the model's and the jackknife's over studios.
        gain: fall of the weighted sum of squares that the regressors bring.
        scale: variance of the weighted residuals, at least 1.
        clusters: studios that take part.
    """

    slope: FloatArray
    standard_error: FloatArray
    gain: float
    scale: float
    clusters: int


def information(
    rows: PanelRows, components: ErrorComponents, market: FloatArray | None = None
) -> Information:
    """Weighs the months by the inverse of their covariance, and takes effects of studio and market out.

    Args:
        rows: the studio-months; memory grows with studios x months squared.
        components: of the errors.
        market: of an earlier call with the same regressors and groups; estimated here if not given.
    """
    precision = _precision(rows, components)
    stacked = rows.stacked
    if market is None:
        market, of_others = _market(rows, precision, stacked)
    else:
        of_others = None
    left = stacked - market[rows.groups] * rows.known[:, :, None]
    weighed = precision @ left
    products = np.swapaxes(left, 1, 2) @ weighed
    return Information(
        products[:, :-1, :-1],
        products[:, :-1, -1],
        products[:, -1, -1],
        market,
        weighed,
        np.diagonal(precision, axis1=1, axis2=2),
        products.sum(0) - products if of_others is None else of_others,
        int(rows.known.sum()),
    )


def _market(rows: PanelRows, precision: FloatArray, stacked: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`Information`'s `market` and `of_others`."""
    in_group, groups = rows.in_group, rows.groups
    weighed = precision @ stacked
    products = np.swapaxes(stacked, 1, 2) @ weighed
    weight_of, weighed_of, products_of = (
        np.einsum("sg,sjk->gjk", in_group, x, optimize=True) for x in (precision, weighed, products)
    )
    market, whole = _projected(weight_of, weighed_of, products_of)
    _, without = _projected(
        weight_of[groups] - precision, weighed_of[groups] - weighed, products_of[groups] - products
    )
    return market, whole.sum(0) - whole[groups] + without


def _projected(
    weight: FloatArray, weighed: FloatArray, products: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(N, T, K) effects of the months, and the (N, K, K) cross products without them."""
    effects = np.linalg.pinv(weight, rcond=1e-9, hermitian=True) @ weighed
    return effects, products - np.swapaxes(weighed, 1, 2) @ effects


def _precision(rows: PanelRows, components: ErrorComponents) -> FloatArray:
    """(S, T, T) inverse covariance of each studio's months, the studio's own level projected out."""
    together = rows.known[:, :, None] & rows.known[:, None, :]
    covariance = np.where(together, components.covariance(rows.calendar_months), 0.0)
    month = np.arange(covariance.shape[1])
    own = components.noise + rows.counting[:, None] + covariance[:, month, month]
    covariance[:, month, month] = np.where(rows.known, own, _UNKNOWN_VARIANCE)
    inverse = np.where(together, np.linalg.inv(covariance), 0.0)
    level = inverse.sum(2)
    total = np.maximum(level.sum(1), 1e-12)
    return np.asarray(inverse - level[:, :, None] * level[:, None, :] / total[:, None, None])
