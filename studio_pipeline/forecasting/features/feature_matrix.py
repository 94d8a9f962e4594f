"""Feature matrix of the learners: one row per origin and horizon.

A row has the features of the origin, of the projected month and of the given levers. Origin and month
features are centred by their medians over all studios of the base month. The targets of a row are computed in
`learners.training_set`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins, months_at
from studio_pipeline.forecasting.core.simulation import CorePaths
from studio_pipeline.forecasting.core.states import CoreStates, project_core
from studio_pipeline.forecasting.features.feature_function import FEATURE_NAMES
from studio_pipeline.forecasting.features.lever_features import (
    GIVEN_FEATURES,
    IS_GIVEN_FEATURES,
    given_from_levels,
    put_given,
    trailing_levels,
)
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

RowArray = NDArray[np.float32]

MONTH_FEATURES: tuple[str, ...] = (
    "horizon_months",
    "target_month_sin",
    "target_month_cos",
    "core_revenue_growth",
    "core_member_growth",
    "core_retention",
    "core_against_year_ago",
)
ROW_FEATURES: tuple[str, ...] = (*FEATURE_NAMES, *MONTH_FEATURES, *GIVEN_FEATURES)

FEWEST_SHARING_A_MONTH = 20
_CENTRED = np.array([name.startswith("core_") for name in MONTH_FEATURES])

_ORIGIN = slice(0, len(FEATURE_NAMES))
_MONTH = slice(_ORIGIN.stop, _ORIGIN.stop + len(MONTH_FEATURES))
_GIVEN = slice(_MONTH.stop, len(ROW_FEATURES))
IS_GIVEN = slice(_GIVEN.stop - len(IS_GIVEN_FEATURES), _GIVEN.stop)
"""Columns of the flags of given levers."""


@dataclass(frozen=True)
class Typical:
    """Medians of features over all studios in one base month, by which rows are centred.

    Centring removes what is common to all studios, so that a learner can't confuse a good year with a good
    studio. Zeros if fewer than `FEWEST_SHARING_A_MONTH` studios have the month.
    """

    origin: FloatArray  # (F0,) medians of `FEATURE_NAMES`
    month: FloatArray  # (H, M) medians of `MONTH_FEATURES`


def typical_of_month(origin_features: FloatArray, states: CoreStates, column: int) -> Typical:
    """Compute the medians over the studios that have the month. `origin_features`: (S, F0) features of all
    studios in that month.
    """
    rows = np.flatnonzero(states.panel.known[:, column])
    origins = Origins(rows, np.full(len(rows), column))
    paths = project_core(states, origins)
    return typical_of_rows(origin_features[rows], month_features(paths, states.panel, origins))


def typical_of_rows(origin_features: FloatArray, month_features: FloatArray) -> Typical:
    """Compute the medians of (M, F0) and (M, H, F1) features of the M studios that have the month."""
    month = np.zeros(month_features.shape[1:])
    if len(origin_features) < FEWEST_SHARING_A_MONTH:
        return Typical(np.zeros(origin_features.shape[1]), month)
    month[:, _CENTRED] = np.median(month_features[:, :, _CENTRED], axis=0)
    return Typical(np.median(origin_features, axis=0), month)


def centred_rows(
    features: FloatArray, states: CoreStates, origins: Origins, levers: Mapping[str, FloatArray]
) -> RowArray:
    """`row_features` of N origins, from (S, T, F0) features of all studios and months."""
    rows, columns = origins.rows, origins.columns
    typical = {int(c): typical_of_month(features[:, c], states, int(c)) for c in np.unique(columns)}
    free = project_core(states, origins)
    return row_features(features[rows, columns], free, states.panel, origins, typical, levers)


def row_features(
    origin_features: FloatArray,
    free_paths: CorePaths,
    panel: StudioPanel,
    origins: Origins,
    typical: Mapping[int, Typical],
    levers: Mapping[str, FloatArray],
) -> RowArray:
    """(N * H, F) rows of `ROW_FEATURES`, horizon fastest.

    The core's projection enters with every lever free, and given levers enter through their own features
    only, so that monotonicity constraints on these features apply to the whole effect of a lever on a
    correction.

    `panel`: the months; only those up to each origin are read.
    """
    n, horizon_months = free_paths.revenue.shape
    rows = np.zeros((n, horizon_months, len(ROW_FEATURES)), dtype=np.float32)
    if not n:
        return rows.reshape(0, len(ROW_FEATURES))
    columns, inverse = np.unique(origins.columns, return_inverse=True)
    centre = np.stack([typical[int(c)].origin for c in columns])[inverse]
    centre_of_month = np.stack([typical[int(c)].month for c in columns])[inverse][:, :horizon_months]
    rows[:, :, _ORIGIN] = (origin_features - centre)[:, None, :]
    rows[:, :, _MONTH] = month_features(free_paths, panel, origins) - centre_of_month
    if levers:
        rows[:, :, _GIVEN] = given_from_levels(trailing_levels(panel, origins), levers)
    return rows.reshape(n * horizon_months, -1)


def with_given(rows: RowArray, levels: FloatArray, levers: Mapping[str, FloatArray]) -> RowArray:
    """(N, H, F) rows: those of `row_features` with free levers, with the features of given levers filled in.
    `rows`: (N, H, F), every lever free; `levels`: (N, L) `lever_features.trailing_levels`.
    """
    filled = rows.copy()
    filled[:, :, _GIVEN] = given_from_levels(levels, levers)
    return filled


def with_given_of_one(rows: RowArray, levels: FloatArray, levers: Mapping[str, list[float]]) -> RowArray:
    """(H, F) rows: `with_given` for one origin, from plain numbers. `rows`: (H, F), every lever free;
    `levels`: (L,) `lever_features.trailing_levels`.
    """
    filled = rows.copy()
    put_given(filled[:, _GIVEN], levels, levers)
    return filled


def month_features(paths: CorePaths, panel: StudioPanel, origins: Origins) -> FloatArray:
    """(N, H, M) `MONTH_FEATURES` of the projected months, not centred."""
    n, horizon_months = paths.revenue.shape
    h = np.broadcast_to(np.arange(1, horizon_months + 1), (n, horizon_months))
    angle = 2 * np.pi * ((panel.calendar_months[origins.columns][:, None] + h) % 12) / 12
    revenue, members = panel.values["total_revenue"], panel.values["total_members"]
    year_ago = months_at(revenue, origins, np.arange(1, horizon_months + 1) - 12)
    return np.stack(
        [
            h / MAX_HORIZON_MONTHS,
            np.sin(angle),
            np.cos(angle),
            _log_ratio(paths.revenue, revenue[origins.rows, origins.columns][:, None]),
            _log_ratio(paths.members, members[origins.rows, origins.columns][:, None]),
            np.nan_to_num(paths.retention_rate),
            _log_ratio(paths.revenue, year_ago),
        ],
        axis=2,
    )


def _log_ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        clipped = np.clip(np.log(a / b), -3, 3)
        return np.asarray(np.nan_to_num(clipped, nan=0.0, posinf=0.0, neginf=0.0))
