"""What the backtest measures besides forecasts: how much narrower known levers make errors, and how much
wider short histories do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.calibration import Calibration
from studio_pipeline.forecasting.common_error import split_common
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.lever_shares import LeverShares, fit_lever_shares
from studio_pipeline.forecasting.out_of_fold import OutOfFold
from studio_pipeline.forecasting.young_studios import YoungStudios, fit_young
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray


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
    """Shares of the own variance that go with each lever.

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
    given = np.concatenate([seen, seen & oof.known.masks[used][:, None]]).cumsum(1, dtype=np.float32) / so_far
    forecasts = (oof.known.all_known["revenue"], oof.known.drawn)
    own = np.concatenate([_own_errors(happened, forecast[used], months) for forecast in forecasts])
    variance = np.tile(found.own_deviation, (2, 1)) ** 2
    return fit_lever_shares(own**2 / variance, given, np.tile(found.weights, 2))


def _own_errors(actual: FloatArray, forecast: FloatArray, months: IntArray) -> FloatArray:
    """(N, H) own log errors, NaN where not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.log(np.maximum(actual, 0.01 * forecast) / forecast)
    return split_common(np.where(np.isfinite(errors), errors, np.nan), months).own
