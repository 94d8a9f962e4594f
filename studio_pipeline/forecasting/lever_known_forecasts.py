"""The core under levers as they then were, all of them or subsets drawn at random; and from short histories.

Nobody could have made these forecasts: they tell what levers add to the error by not being known, and what a
history adds by being short.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.core import CoreStates, core_states, project_core
from studio_pipeline.forecasting.core_parameters import CoreParameters
from studio_pipeline.forecasting.folds import Fold
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.known_levers import HELD_LEVERS, drawn_masks, given_levers, known_levers
from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.forecasting.sampling import canonical_order, evenly_spaced_studios
from studio_pipeline.forecasting.stock_and_flow import core_targets
from studio_pipeline.forecasting.young_studios import YOUNG_MONTHS
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

_YOUNG_STUDIOS = 200
_YOUNG_ORIGINS_A_FOLD = 3


@dataclass(frozen=True)
class KnownLeverForecasts:
    """The core's forecasts of N origins with levers given at their actual values.

    Attributes:
        all_known: target to (N, H), every lever given that is known.
        drawn: (N, H) revenue under the levers that `masks` marks.
        masks: (N, L) in the order of `HELD_LEVERS`.
    """

    all_known: dict[str, FloatArray]
    drawn: FloatArray
    masks: BoolArray


@dataclass(frozen=True)
class YoungForecasts:
    """The core's forecasts of M of the N origins from their last months alone.

    Attributes:
        places: (M,) which of the origins.
        revenue: months left to (M, H).
    """

    places: IntArray
    revenue: dict[int, FloatArray]


def known_lever_forecasts(
    panel: StudioPanel, states: CoreStates, origins: Origins, seed: int
) -> KnownLeverForecasts:
    """Runs the core from origins under what the panel's levers then did.

    Args:
        panel: all months, those after the origins too.
        states: of the months up to the origins.
        origins: N of them.
        seed: of the drawn subsets, which don't depend on the studios' names or order.
    """
    levers = known_levers(panel, origins, MAX_HORIZON_MONTHS)
    rank = np.empty(panel.n_studios, dtype=np.int64)
    rank[canonical_order(states.panel)] = np.arange(panel.n_studios)
    order = np.lexsort((rank[origins.rows], origins.columns))
    masks = np.zeros((len(origins), len(HELD_LEVERS)), dtype=bool)
    masks[order] = drawn_masks(len(origins), np.random.default_rng(seed))
    projected = [
        core_targets(project_core(states, origins.rows, origins.columns, MAX_HORIZON_MONTHS, given))
        for given in (levers, given_levers(levers, masks))
    ]
    return KnownLeverForecasts(projected[0], projected[1]["revenue"], masks)


def young_forecasts(
    panel: StudioPanel, parameters: CoreParameters, fold: Fold, origins: Origins
) -> YoungForecasts:
    """Runs the core from some of a fold's origins as if studios had begun a few months before.

    Args:
        panel: the months; none after an origin is used for it.
        parameters: as fitted at the fold's cutoff.
        fold: of the backtest.
        origins: N of the fold.
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
            found[here] = project_core(states, np.arange(len(rows)), last, MAX_HORIZON_MONTHS).revenue
    return YoungForecasts(places, revenue)


def _last_months(panel: StudioPanel, rows: IntArray, column: int, months: int) -> StudioPanel:
    """Some studios with nothing but the last months up to a column."""
    first = max(column + 1 - months, 0)
    chosen = panel.select(rows)
    values = {name: array[:, first : column + 1] for name, array in chosen.values.items()}
    return replace(chosen, first_month=panel.first_month.astype("datetime64[M]") + first, values=values)
