"""Folds of the rolling-origin backtest, and out-of-fold predictions as arrays.

Forecasts under known levers use lever values from after the origin: they measure how much of the error comes
from not knowing the levers. Forecasts from short histories hide all but a studio's last months: they measure
how much error a short history adds. Both only calibrate intervals; neither is a forecast that could have been
made at the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from studio_pipeline.forecasting.backtest.baselines import CORE_CANDIDATES
from studio_pipeline.forecasting.backtest.short_history import YOUNG_MONTHS
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS, drawn_masks, given_levers, known_levers
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS, BacktestHyperparameters
from studio_pipeline.forecasting.base.origins import Origins, canonical_order, evenly_spaced_studios
from studio_pipeline.forecasting.core.parameters import CoreParameters
from studio_pipeline.forecasting.core.simulation import core_targets
from studio_pipeline.forecasting.core.states import SMOOTHED_FLOWS, CoreStates, core_states, project_core
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

_SHORTEST_FOLD_MONTHS = 2


@dataclass(frozen=True)
class Fold:
    """One fit of the backtest."""

    cutoff: int  # last month column that the fit uses
    last_origin: int  # month column of the last origin; the fit forecasts the origins cutoff..last_origin


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


_YOUNG_STUDIOS = 200
_YOUNG_ORIGINS_A_FOLD = 3


@dataclass(frozen=True)
class KnownLeverForecasts:
    """Core forecasts of N origins with levers given at their actual values."""

    all_known: dict[str, FloatArray]  # target to (N, H), with every known lever given
    drawn: FloatArray  # (N, H) revenue with the levers given that `masks` marks
    masks: BoolArray  # (N, L) random subsets of levers, in the order of `HELD_LEVERS`


@dataclass(frozen=True)
class YoungForecasts:
    """Core forecasts of M of the N origins from their last months alone."""

    places: IntArray  # (M,) indices into the origins
    revenue: dict[int, FloatArray]  # number of months left to (M, H) revenue


def known_lever_forecasts(
    panel: StudioPanel, states: CoreStates, origins: Origins, seed: int
) -> KnownLeverForecasts:
    """Runs the core from origins with the levers at their actual later values, which `panel` contains. The
    drawn subsets don't depend on the studios' names or order.
    """
    levers = known_levers(panel, origins)
    rank = np.empty(panel.n_studios, dtype=np.int64)
    rank[canonical_order(states.panel)] = np.arange(panel.n_studios)
    order = np.lexsort((rank[origins.rows], origins.columns))
    masks = np.zeros((len(origins), len(HELD_LEVERS)), dtype=bool)
    masks[order] = drawn_masks(len(origins), np.random.default_rng(seed))
    projected = [
        core_targets(project_core(states, origins, given)) for given in (levers, given_levers(levers, masks))
    ]
    return KnownLeverForecasts(projected[0], projected[1]["revenue"], masks)


def young_forecasts(
    panel: StudioPanel, parameters: CoreParameters, fold: Fold, origins: Origins
) -> YoungForecasts:
    """Runs the core from some of a fold's origins on each studio's last few months alone. `panel`: the
    months; none after an origin is used for it.
    """
    columns = np.unique(np.linspace(fold.cutoff, fold.last_origin, _YOUNG_ORIGINS_A_FOLD).astype(np.int64))
    eligible = np.isin(np.arange(panel.n_studios), origins.rows)
    chosen = evenly_spaced_studios(panel.until(fold.cutoff), _YOUNG_STUDIOS, eligible)
    places = np.flatnonzero(np.isin(origins.columns, columns) & np.isin(origins.rows, chosen))
    revenue = {m: np.full((len(places), MAX_HORIZON_MONTHS), np.nan) for m in YOUNG_MONTHS[:-1]}
    for months, found in revenue.items():
        for column in columns:
            here = origins.columns[places] == column
            rows = origins.rows[places[here]]
            states = core_states(_last_months(panel, rows, int(column), months), parameters)
            last = np.full(len(rows), states.panel.n_months - 1)
            found[here] = project_core(states, Origins(np.arange(len(rows)), last)).revenue
    return YoungForecasts(places, revenue)


def _last_months(panel: StudioPanel, rows: IntArray, column: int, months: int) -> StudioPanel:
    first = max(column + 1 - months, 0)
    chosen = panel.select(rows)
    values = {name: array[:, first : column + 1] for name, array in chosen.values.items()}
    return replace(chosen, first_month=panel.first_month.astype("datetime64[M]") + first, values=values)


_LEVELS = ("direct", "smoothing")
_PLACES = "young.places"


@dataclass(frozen=True)
class OutOfFold:
    """Forecasts by fits that did not use the months they forecast; N origins, H = 12 months."""

    fold: IntArray  # (N,) number of the fold that forecast the origin
    origins: Origins  # studio rows and month columns
    actual: dict[str, FloatArray]  # target to (N, H); NaN where not known
    last_known: dict[str, FloatArray]  # target to its (N,) values in the base month
    candidates: dict[str, dict[str, FloatArray]]  # target to candidate to (N, H) forecasts
    known: KnownLeverForecasts  # core forecasts with the levers at their actual values
    young: YoungForecasts  # core forecasts of some origins from short histories

    def arrays(self) -> dict[str, Any]:
        """All arrays under flat names, for `numpy.savez`."""
        found: dict[str, Any] = {
            "fold": self.fold,
            "rows": self.origins.rows,
            "columns": self.origins.columns,
            "masks": self.known.masks,
            "known_drawn": self.known.drawn,
            _PLACES: self.young.places,
        }
        for target in TARGETS:
            found |= {
                f"actual.{target}": self.actual[target],
                f"last_known.{target}": self.last_known[target],
            }
            found |= {f"candidate.{target}.{name}": x for name, x in self.candidates[target].items()}
            found[f"known.{target}"] = self.known.all_known[target]
        return found | {f"young.{months}": x for months, x in self.young.revenue.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> OutOfFold:
        """Inverse of `arrays`."""
        return cls(
            arrays["fold"],
            Origins(arrays["rows"], arrays["columns"]),
            {t: arrays[f"actual.{t}"] for t in TARGETS},
            {t: arrays[f"last_known.{t}"] for t in TARGETS},
            {
                t: {
                    n: arrays[f"candidate.{t}.{n}"] for n in CORE_CANDIDATES if f"candidate.{t}.{n}" in arrays
                }
                for t in TARGETS
            },
            KnownLeverForecasts(
                {t: arrays[f"known.{t}"] for t in TARGETS}, arrays["known_drawn"], arrays["masks"]
            ),
            YoungForecasts(arrays[_PLACES], {m: arrays[f"young.{m}"] for m in YOUNG_MONTHS[:-1]}),
        )


def joined(parts: list[OutOfFold]) -> OutOfFold:
    """Concatenates the origins of several folds; an empty object for no folds."""
    if not parts:
        return _empty()
    pieces = [part.arrays() for part in parts]
    starts = np.cumsum([0] + [len(part.fold) for part in parts])
    for piece, start in zip(pieces, starts, strict=False):
        piece[_PLACES] = piece[_PLACES] + start
    return OutOfFold.from_arrays({name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]})


def _empty() -> OutOfFold:
    nothing = np.zeros((0, MAX_HORIZON_MONTHS))
    none = np.zeros(0, dtype=np.int64)
    by_target = dict.fromkeys(TARGETS, nothing)
    return OutOfFold(
        none,
        Origins(none, none),
        by_target,
        {t: np.zeros(0) for t in TARGETS},
        {
            t: {n: nothing for n in CORE_CANDIDATES if n not in _LEVELS or t in SMOOTHED_FLOWS}
            for t in TARGETS
        },
        KnownLeverForecasts(by_target, nothing, np.zeros((0, len(HELD_LEVERS)), dtype=bool)),
        YoungForecasts(none, dict.fromkeys(YOUNG_MONTHS[:-1], nothing)),
    )
