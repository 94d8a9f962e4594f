"""What the backtest measures besides forecasts: how much narrower known levers make errors, and how much
wider short histories do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.calibration import Calibration, weighted_quantile
from studio_pipeline.forecasting.common_error import split_common
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.intervals import IntervalTables
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.lever_share_fit import Floors, GivenErrors, fit_lever_shares
from studio_pipeline.forecasting.lever_shares import LeverShares
from studio_pipeline.forecasting.out_of_fold import OutOfFold
from studio_pipeline.forecasting.young_studios import YoungStudios, fit_young
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

_CALIBRATED_LEVEL = 0.9
_FEWEST_ERRORS = 40


def young_widening(core: CoreFit, actual: FloatArray, used: BoolArray) -> YoungStudios:
    """Widening by known months: own errors of the core from short histories against those from whole ones.

    Args:
        core: its out-of-fold forecasts.
        actual: (N, H) what is known of the months after the origins, NaN elsewhere.
        used: (N,) the chosen origins.
    """
    oof = core.out_of_fold
    kept = used[oof.young.places]
    places = oof.young.places[kept]
    happened, months = actual[places], oof.origins.columns[places]
    sizes = {
        left: np.abs(_own_errors(happened, revenue[kept], months))
        for left, revenue in oof.young.revenue.items()
    }
    full = np.abs(_own_errors(happened, oof.candidates["revenue"]["core"][places], months))
    return fit_young(sizes, full)


def measured_shares(
    oof: OutOfFold,
    levers: Mapping[str, FloatArray],
    actual: FloatArray,
    used: BoolArray,
    found: Calibration,
) -> LeverShares:
    """Shares of the own and the common variance that go with levers.

    Args:
        oof: out-of-fold forecasts, those under known levers among them.
        levers: lever to its (N, H) values after the origins, NaN where not known.
        actual: (N, H) what is known of the months after the origins, NaN elsewhere.
        used: (N,) the origins that `found` was calibrated on.
        found: the calibration of the forecasts with levers free.
    """
    months, happened = oof.origins.columns[used], actual[used]
    so_far = np.arange(1, MAX_HORIZON_MONTHS + 1)[:, None]
    seen = np.isfinite(np.stack([levers[name][used] for name in HELD_LEVERS], axis=2))
    given = (seen & oof.known.masks[used][:, None]).cumsum(1, dtype=np.float32) / so_far
    drawn = GivenErrors(
        _log_errors(happened, oof.known.drawn[used]), given, months, found.own_deviation**2, found.weights
    )
    # Studios that report fewer levers than others tell nothing of what is left where all are given.
    count = seen[:, 0].sum(1)
    whole = count >= max(float(np.median(count)), 1.0)
    forecast = np.where(whole[:, None], oof.known.all_known["revenue"][used], np.nan)
    return fit_lever_shares(drawn, _floors(forecast, happened, months, found), np.diag(found.tables.common))


def _floors(forecast: FloatArray, actual: FloatArray, months: IntArray, found: Calibration) -> Floors:
    """What is left under all levers: of the own error so that 90 % intervals of one month and of sums hold as
    much as they say; of the common one its mean square over the months, wider for how few separate spans
    those are.
    """
    split = split_common(_log_errors(actual, forecast), months)
    sums = split_common(_log_errors(actual.cumsum(1), forecast.cumsum(1)), months).own
    so_far = np.arange(1, forecast.shape[1] + 1)
    reach = [(high - low) / 2 for low, high in _ends(found.tables)]
    own = _squares(split.own / found.own_deviation, reach[0], found.weights)
    spans = (found.own_deviation * np.sqrt(own)).cumsum(1) / so_far
    summed = _squares(sums / spans, reach[1], found.weights)
    common_variance = np.diag(found.tables.common)
    shared = np.isfinite(split.common)
    count = shared.sum(0)
    squares = np.where(shared, split.common**2, 0.0).sum(0) / np.maximum(count, 1)
    fewness = 1 + so_far / np.maximum(count, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        common = np.where(common_variance > 0, squares * fewness / common_variance, 1.0)
    return Floors(own, np.minimum(np.where(count > 0, common, 1.0), 1.0), summed)


def _ends(tables: IntervalTables) -> tuple[tuple[FloatArray, FloatArray], ...]:
    """(H,) ends of the calibrated interval, of a month's scaled error and of a sum's."""
    low, high, total_low, total_high = tables.quantiles(_CALIBRATED_LEVEL)
    return (low, high), (total_low, total_high)


def _squares(scaled: FloatArray, reach: FloatArray, weights: FloatArray) -> FloatArray:
    """(H,) squares, at most 1, of the factors at which intervals of half width `reach` hold what they say."""
    found = np.ones(scaled.shape[1])
    for h in range(scaled.shape[1]):
        known = np.isfinite(scaled[:, h])
        if known.sum() >= _FEWEST_ERRORS:
            size = weighted_quantile(np.abs(scaled[known, h]), weights[known], np.array([_CALIBRATED_LEVEL]))[
                0
            ]
            found[h] = (size / reach[h]) ** 2
    return np.minimum(found, 1.0)


def _own_errors(actual: FloatArray, forecast: FloatArray, months: IntArray) -> FloatArray:
    """(N, H) own log errors, NaN where not known."""
    return split_common(_log_errors(actual, forecast), months).own


def _log_errors(actual: FloatArray, forecast: FloatArray) -> FloatArray:
    """(N, H) log of what happened over the forecast, NaN where not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.log(np.maximum(actual, 0.01 * forecast) / forecast)
    return np.where(np.isfinite(errors), errors, np.nan)
