"""Folds of the rolling-origin backtest: cutoffs of the fits and the origins that each fit forecasts."""

from __future__ import annotations

from dataclasses import dataclass

from studio_pipeline.forecasting.base.hyperparameters import BacktestHyperparameters

_SHORTEST_FOLD_MONTHS = 2


@dataclass(frozen=True)
class Fold:
    """One fit of the backtest.

    Attributes:
        cutoff: last month column that the fit uses.
        last_origin: month column of the last origin; the fit forecasts the origins cutoff..last_origin.
    """

    cutoff: int
    last_origin: int


def plan_folds(n_months: int, hyperparameters: BacktestHyperparameters) -> tuple[Fold, ...]:
    """Folds over a panel of `n_months`, earliest first; none if there are too few months.

    Folds have the configured length, or a shorter one so that all of them fit after the minimum training
    months. The last fold's last origin is the month before the panel's last.
    """
    room = n_months - 1 - hyperparameters.min_training_months
    length = min(hyperparameters.fold_months, room // hyperparameters.folds)
    if length < _SHORTEST_FOLD_MONTHS:
        return ()
    last = n_months - 2
    starts = [last - length * k + 1 for k in range(hyperparameters.folds, 0, -1)]
    return tuple(Fold(start, start + length - 1) for start in starts)
