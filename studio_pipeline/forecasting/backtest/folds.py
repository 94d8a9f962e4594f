"""Folds of the rolling-origin backtest."""

from __future__ import annotations

from dataclasses import dataclass

from studio_pipeline.forecasting.base.hyperparameters import BacktestHyperparameters

_SHORTEST_FOLD_MONTHS = 2


@dataclass(frozen=True)
class Fold:
    """One fit of the backtest.

    Attributes:
        cutoff: last month column that the fit may see.
        last_origin: the fit forecasts the origins cutoff..last_origin.
    """

    cutoff: int
    last_origin: int


def plan_folds(n_months: int, hyperparameters: BacktestHyperparameters) -> tuple[Fold, ...]:
    """Folds over a panel of `n_months`, earliest first; none where there are too few months.

    The folds are as long as asked for, or shorter so that all of them fit behind the first training months;
    the last fold's last origin is the month before the panel's last.
    """
    room = n_months - 1 - hyperparameters.min_training_months
    length = min(hyperparameters.fold_months, room // hyperparameters.folds)
    if length < _SHORTEST_FOLD_MONTHS:
        return ()
    last = n_months - 2
    starts = [last - length * k + 1 for k in range(hyperparameters.folds, 0, -1)]
    return tuple(Fold(start, start + length - 1) for start in starts)
