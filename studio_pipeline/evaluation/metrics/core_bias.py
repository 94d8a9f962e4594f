"""Bias of the core where every lever is known: what its sum of revenue leaves out, or counts twice.

With members, price and rates known there is nothing left to forecast but noise, so that a bias is a fault of
the columns: a part of revenue that is missing, or a price that is not what a member pays. Errors of ordinary
forecasts are in `metrics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from studio_pipeline.evaluation.formatting import per_cent
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit

_FEWEST_MONTHS = 6
_NOISE_DEVIATIONS = 4.0
_NEGLIGIBLE_SHARE = 0.02


@dataclass(frozen=True)
class CoreBias:
    """Bias of the core's forecasts of the next month's revenue, given every known lever."""

    share: float  # of the actual revenue; negative where the forecasts are too low
    standard_error: float  # of the share; the errors of one month count as one
    months: int  # forecast months that it rests on

    @property
    def exceeds_noise(self) -> bool:
        """True above 2 % of revenue and four standard errors."""
        return abs(self.share) > max(_NOISE_DEVIATIONS * self.standard_error, _NEGLIGIBLE_SHARE)

    def in_words(self) -> str:
        """A sentence, with the remedy where the bias exceeds noise."""
        size = f"{per_cent(abs(self.share))} too {'low' if self.share < 0 else 'high'}"
        found = f"With every lever known the core's next month of revenue is {size} ({self.months} months)"
        if not self.exceeds_noise:
            return f"{found}, which is within noise or negligible."
        return (
            f"{found}. Answers under levers miss that share of revenue. Look whether `total_revenue` holds"
            " something that its parts, `avg_ticket_price` or `total_members` don't."
        )


def core_bias(core: CoreFit) -> CoreBias | None:
    """The bias over all origins of the backtest; None without retention and new members, which the sum needs,
    and for under six months.
    """
    if not core.parameters.has_members:
        return None
    oof = core.out_of_fold
    actual, forecast = oof.actual["revenue"][:, 0], oof.known.all_known["revenue"][:, 0]
    used = np.isfinite(actual) & np.isfinite(forecast) & (actual > 0) & (forecast > 0)
    errors, months = np.log(forecast[used] / actual[used]), oof.origins.columns[used]
    # Medians, so that a closure or a wrong cell of one studio is no bias of the core.
    typical = np.array([np.median(errors[months == month]) for month in np.unique(months)])
    if len(typical) < _FEWEST_MONTHS:
        return None
    deviation = float(typical.std(ddof=1))
    return CoreBias(math.expm1(typical.mean()), deviation / math.sqrt(len(typical)), len(typical))
