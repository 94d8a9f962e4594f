"""Two recipes' backtest errors, made as those of a real backtest are: what overlaps, is shared, and stays.

The relative error of a forecast from origin o, h months ahead, is the sum of what happened to the studio
and to the market in the months between, a drift of its own that the model missed, and noise of the month
that is asked about and of the one it starts from. Sizes are such that its spread at 1, 3, 6 and 12 months
ahead is 4, 7, 10 and 16 %, and that of its mean over studios 0.8, 1.8, 2.7 and 3.6 %, as in the backtest of
300 studios (which has 4, 7, 10, 16 and 0.6, 1.7, 2.6, 3.5). The other recipe's errors are `scale` times a
mixture of these and of errors made afresh in the same way, so that not only errors but differences, too,
are shared by studios, months and origins.
"""

from dataclasses import dataclass

import numpy as np

from studio_pipeline.evaluation.metrics.paired_errors import ErrorDifference, error_difference
from studio_pipeline.panel.arrays import FloatArray

HORIZONS = np.arange(1, 13)
LEVEL = 0.95


@dataclass(frozen=True)
class PairedErrors:
    """Relative errors of two recipes.

    Attributes:
        old: (S, T, 12) of one.
        new: (S, T, 12) of the other.
        size: (S,) revenue of each studio.
    """

    old: FloatArray
    new: FloatArray
    size: FloatArray

    def difference(self, until: int, origins: int, longest: int = 12) -> ErrorDifference:
        """As a run sees it: the `origins` months before the month `until`, as far as months are known."""
        first = until - origins
        window = slice(first, until)
        known = (np.arange(first, until)[:, None] + HORIZONS <= until) & (longest >= HORIZONS)
        studio, origin, ahead = np.nonzero(np.broadcast_to(known, self.old[:, window].shape))
        size = self.size[studio]
        new, old = (np.abs(e[:, window][studio, origin, ahead]) * size for e in (self.new, self.old))
        return error_difference(new, old, origin, studio, LEVEL)


def paired_errors(
    seed: int, studios: int, months: int, scale: float, correlation: float = 0.9
) -> PairedErrors:
    """Errors of two recipes, of which the new one errs `scale` times as much; a forecast's two correlate."""
    random = np.random.default_rng(seed)
    size = np.exp(random.normal(0, 0.5, studios))
    old, other = _errors(random, studios, months), _errors(random, studios, months)
    return PairedErrors(old, scale * (correlation * old + np.sqrt(1 - correlation**2) * other), size)


def _errors(random: np.random.Generator, studios: int, months: int) -> FloatArray:
    n = months + len(HORIZONS)
    own = _lasting(random.normal(0, 0.0235, (studios, n)), 0.4)
    market = _lasting(random.normal(0, 0.0075, n), 0.4)
    walked = np.cumsum(own + market, axis=1)
    noise = random.normal(0, 0.024, (studios, n))
    drift = random.normal(0, 0.006, studios)
    start = np.arange(months)
    asked = start[:, None] + HORIZONS
    moved = walked[:, asked] - walked[:, start][:, :, None]
    return moved + noise[:, asked] - 0.4 * noise[:, start][:, :, None] + drift[:, None, None] * HORIZONS


def _lasting(shocks: FloatArray, share: float) -> FloatArray:
    lasting = shocks.copy()
    for month in range(1, shocks.shape[-1]):
        lasting[..., month] += share * lasting[..., month - 1]
    return lasting
