"""Generalised least squares for a panel: slopes, standard errors and error components.

A studio's error is `studio effect + random walk + AR(1) deviation + own season + noise + counting`.
`error_components` estimates the variances by fitting the residuals' variogram; weighting months by the
inverse of their covariance then keeps a studio's slow drifts and persistent deviations from counting as a
response. Effects of studios and of each group's calendar months are projected out exactly. The computation is
linear algebra over (studio x month x month) arrays, without a loop over studios.

Standard errors are the larger of the model's and those of the delete-one-studio jackknife (CV3), because
fitted residuals are too small, most of all where few studios moved a lever. A studio is left out together
with its contribution to its market's effects. Prior and thresholds are in `estimation`.
Sources: Baltagi, Econometric Analysis of Panel Data, chapters 2 and 5; Cressie, Statistics for Spatial Data,
section 2.4 (the variogram's estimate and its fit); Bell & McCaffrey (2002), Survey Methodology 28(2);
MacKinnon, Nielsen & Webb (2023), Journal of Applied Econometrics 38(5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

_PROJECTIONS = 20


@dataclass(frozen=True)
class PanelRows:
    """The studio-months of one regression."""

    outcome: FloatArray  # (S, T) dependent variable
    regressors: FloatArray  # (K, S, T)
    known: BoolArray  # (S, T) mask of the months that take part
    counting: FloatArray  # (S,) counting variance of a month of each studio
    groups: IntArray  # (S,) studios of one group share a market, 0..G-1
    calendar_months: IntArray  # (T,) 0..11

    @property
    def stacked(self) -> FloatArray:
        """(S, T, K + 1) regressors and, last, the outcome; 0 in months that don't take part."""
        columns = np.concatenate([self.regressors, self.outcome[None]])
        return np.ascontiguousarray(np.where(self.known, columns, 0.0).transpose(1, 2, 0))

    @property
    def in_group(self) -> FloatArray:
        """(S, G) 1 where the studio belongs to the group."""
        return np.asarray((self.groups[:, None] == np.arange(self.groups.max() + 1)).astype(float))

    def select(self, studios: IntArray | slice) -> PanelRows:
        """Subset of the studios."""
        return replace(
            self,
            outcome=self.outcome[studios],
            regressors=self.regressors[:, studios],
            known=self.known[studios],
            counting=self.counting[studios],
            groups=self.groups[studios],
        )


def without_effects(rows: PanelRows) -> FloatArray:
    """(K + 1, S, T) regressors and, last, the outcome, less unweighted effects of studio and group-by-month.

    Source: alternating projections, Guimaraes & Portugal (2010), The Stata Journal 10(4).
    """
    stacked = rows.stacked.transpose(2, 0, 1)
    in_group, known = rows.in_group, rows.known
    months, studios = np.maximum(known.sum(1), 1)[:, None], np.maximum(in_group.T @ known, 1)
    for _ in range(_PROJECTIONS):
        stacked = (stacked - stacked.sum(2, keepdims=True) / months) * known
        means = np.einsum("sg,kst->kgt", in_group, stacked) / studios
        stacked = (stacked - means[:, rows.groups]) * known
    return np.asarray(stacked)


_LONGEST_LAG = 24
_PERSISTENCES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_CUT_SPREADS = 4.0


@dataclass(frozen=True)
class ErrorComponents:
    """Variance components of a studio's errors, on the outcome's scale squared."""

    noise: float  # variance of a single month beyond counting
    deviation: float  # stationary variance of the AR(1) deviation
    persistence: float  # monthly autocorrelation of that deviation, 0..1
    walk: float  # variance of the monthly steps of the random walk
    season: float  # variance of a studio's own departure in each month of the year

    def covariance(self, calendar_months: IntArray) -> FloatArray:
        """(T, T) covariance of one studio's months, without noise and counting."""
        month = np.arange(len(calendar_months))
        return np.asarray(
            self.deviation * self.persistence ** np.abs(month[:, None] - month)
            + self.walk * np.minimum(month[:, None], month)
            + self.season * (calendar_months[:, None] == calendar_months)
        )


def error_components(rows: PanelRows, residual: FloatArray) -> ErrorComponents:
    """Components whose variogram fits that of the residuals best. `residual`: (S, T) less effects of studio
    and market.
    """
    from scipy.optimize import nnls

    size = np.abs(residual[rows.known])
    cut = _CUT_SPREADS * max(float(np.median(size)) / 0.6745 if size.size else 0.0, 1e-9)
    residual = np.clip(residual, -cut, cut)
    lags = np.arange(1, max(min(_LONGEST_LAG, residual.shape[1] - 2), 1) + 1)
    found, pairs = np.array([_variogram(rows, residual, lag) for lag in lags]).T
    weight = np.sqrt(pairs / lags)
    best = (np.inf, ErrorComponents(0.0, 0.0, _PERSISTENCES[0], 0.0, 0.0))
    for persistence in _PERSISTENCES:
        shapes = np.stack([np.ones(len(lags)), 1 - persistence**lags, lags / 2, lags % 12 != 0], 1)
        (noise, deviation, walk, season), distance = nnls(shapes * weight[:, None], found * weight)
        if distance < best[0]:
            best = (distance, ErrorComponents(noise, deviation, persistence, walk, season))
    floor = 1e-3 * float((residual[rows.known] ** 2).mean() if size.size else 1.0) + 1e-9
    chosen = best[1]
    return ErrorComponents(
        max(chosen.noise, floor), chosen.deviation, chosen.persistence, chosen.walk, chosen.season
    )


def _variogram(rows: PanelRows, residual: FloatArray, lag: int) -> tuple[float, float]:
    """Half the mean squared difference of months `lag` apart, less counting variance, and the pair count."""
    pairs = rows.known[:, lag:] & rows.known[:, :-lag]
    half = (residual[:, lag:] - residual[:, :-lag]) ** 2 / 2 - rows.counting[:, None]
    return (float(half[pairs].mean()) if pairs.any() else 0.0), float(pairs.sum())


_UNKNOWN_VARIANCE = 1e12
_SINGULAR = 1e-9
_LEAST_SHARE_MOVED = 1e-6


@dataclass(frozen=True)
class Information:
    """Weighted cross products per studio, from which slopes are solved, less effects of studio and market."""

    gram: FloatArray  # (S, K, K) weighted cross products of the regressors
    score: FloatArray  # (S, K) weighted cross products of the regressors with the outcome
    total: FloatArray  # (S,) weighted square of the outcome
    # (G, T, K + 1) effect of each group's month on the regressors and, last, on the outcome
    market: FloatArray
    weighed: FloatArray  # (S, T, K + 1) regressors and outcome, effects removed, times the precision matrix
    precision: FloatArray  # (S, T) of each month given the studio's others
    # (S, K + 1, K + 1) cross products of regressors and, last, outcome of all studios but one, with the
    # market's effects estimated on those studios alone
    of_others: FloatArray
    rows: int  # number of studio-months

    def slopes(self, chosen: list[int]) -> Slopes:
        """Estimate with the given columns of the regressors."""
        gram, score = self.gram[:, chosen][:, :, chosen], self.score[:, chosen]
        inverse = np.linalg.pinv(gram.sum(0), hermitian=True)
        slope = inverse @ score.sum(0)
        gain = float(score.sum(0) @ slope)
        scale = max(1.0, (float(self.total.sum()) - gain) / max(self.rows, 1))
        by_model = np.sqrt(np.maximum(np.diag(inverse) * scale, 0.0))
        jackknifed = self._jackknifed(chosen, slope)
        # With few studios both estimates are noisy, and the smaller one may be small by chance.
        return Slopes(slope, np.maximum(by_model, jackknifed), by_model, scale)

    def likelihood(self, chosen: list[int]) -> tuple[FloatArray, FloatArray, Slopes]:
        """(K, K) precision of the slopes by the months, (K,) that precision times the estimates, and those.

        The precision is that of the model, lowered to that of the jackknife where it is lower.
        """
        slopes = self.slopes(chosen)
        gram = self.gram[:, chosen][:, :, chosen].sum(0) / slopes.scale
        known = slopes.model_error > 0
        wider = np.where(known, slopes.standard_error / np.where(known, slopes.model_error, 1.0), 1.0)
        precision = gram / np.outer(wider, wider)
        return precision, precision @ slopes.slope, slopes

    def _jackknifed(self, chosen: list[int], slope: FloatArray) -> FloatArray:
        """(K,) delete-one-studio jackknife standard errors."""
        studios = len(self.of_others)
        gram, score = self.of_others[:, chosen][:, :, chosen], self.of_others[:, chosen, -1]
        # If only one studio moved a lever, the others' slope is 0 and the error as large as the slope.
        size = np.diag(self.gram.sum(0))[chosen]
        ridge = np.diag(_SINGULAR * size + np.finfo(float).tiny ** 0.5)
        without = np.linalg.solve(gram + ridge, score[:, :, None])[:, :, 0]
        return np.asarray(np.sqrt((studios - 1) / studios * ((without - slope) ** 2).sum(0)))

    def surprises(self, chosen: list[int], slope: FloatArray) -> FloatArray:
        """(S, T) standardised residual of each month given the studio's other months."""
        weighed = self.weighed[:, :, -1] - self.weighed[:, :, chosen] @ slope
        return np.asarray(weighed / np.sqrt(np.maximum(self.precision, 1e-12)))


@dataclass(frozen=True)
class Slopes:
    """One regression's result."""

    slope: FloatArray  # (K,) estimates
    standard_error: FloatArray  # (K,) the larger of the model's and the jackknife's over studios
    model_error: FloatArray  # (K,) the model's; 0 for a regressor that did not move
    scale: float  # variance of the weighted residuals, at least 1


@dataclass(frozen=True)
class Regression:
    """The regression of one flow on K regressors and controls."""

    rows: PanelRows  # studio-months of all studios, all candidates
    components: ErrorComponents
    info: Information  # of the studios that the panel's slopes are estimated on
    names: tuple[str, ...]  # (K,) regressors and controls
    columns: list[int]  # (K,) their columns in `rows` and `info`
    slopes: Slopes  # (K,) estimates by the months alone

    def has_moved(self, place: int) -> bool:
        """True if a regressor changed, the effects of studios and markets aside."""
        column = self.columns[place]
        return bool(self.info.gram[:, column, column].sum() > _LEAST_SHARE_MOVED * self.info.rows)


def information(
    rows: PanelRows, components: ErrorComponents, market: FloatArray | None = None
) -> Information:
    """Weight the months by the inverse of their covariance and remove effects of studio and market.

    Memory grows with studios x months squared. `market`: effects from an earlier call with the same
    regressors and groups; estimated if not given.
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
    """(N, T, K) effects of the months, and the (N, K, K) cross products with them removed."""
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
