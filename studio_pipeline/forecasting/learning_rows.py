"""The rows that learners are fitted on and asked with: an origin's features, plus what is known of the
projected month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.core import CoreStates, project_core
from studio_pipeline.forecasting.features import FEATURE_NAMES
from studio_pipeline.forecasting.folds import Origins
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.stock_and_flow import CorePaths
from studio_pipeline.forecasting.targets import TARGETS, actual_months, core_targets, correction_of
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

MONTH_FEATURES: tuple[str, ...] = (
    "horizon_months",
    "target_month_sin",
    "target_month_cos",
    "core_revenue_growth",
    "core_member_growth",
    "core_retention",
    "core_against_year_ago",
)
ROW_FEATURES: tuple[str, ...] = (*FEATURE_NAMES, *MONTH_FEATURES)

_FEWEST_SHARING_A_MONTH = 20


@dataclass(frozen=True)
class LearningRows:
    """Rows to fit a learner on.

    Attributes:
        features: (R, F) float32.
        corrections: (R, 3) what would have made the core right, by target; NaN where not known.
    """

    features: FloatArray
    corrections: FloatArray


@dataclass(frozen=True)
class Typical:
    """What is typical of all studios in one base month: medians that rows are centred by.

    What moves all studios together is then gone from the rows, so that a learner can't take a good year for a
    good studio. Zeros where fewer than `_FEWEST_SHARING_A_MONTH` studios have the month.

    Attributes:
        origin: (F0,) of `FEATURE_NAMES`.
        month: (H, M) of the features of the projected months.
    """

    origin: FloatArray
    month: FloatArray


def typical_of_month(origin_features: FloatArray, states: CoreStates, column: int) -> Typical:
    """Medians over the studios that have the month.

    Args:
        origin_features: (S, F0) of all studios in that month.
        states: of the core.
        column: the base month.
    """
    rows = np.flatnonzero(states.panel.known[:, column])
    month = np.zeros((MAX_HORIZON_MONTHS, len(MONTH_FEATURES)))
    if len(rows) < _FEWEST_SHARING_A_MONTH:
        return Typical(np.zeros(origin_features.shape[1]), month)
    origins = Origins(rows, np.full(len(rows), column))
    paths = project_core(states, origins.rows, origins.columns, MAX_HORIZON_MONTHS)
    centred = np.array([name.startswith("core_") for name in MONTH_FEATURES])
    month[:, centred] = np.median(_month_features(paths, states.panel, origins), axis=0)[:, centred]
    return Typical(np.median(origin_features[rows], axis=0), month)


def row_features(
    origin_features: FloatArray,
    paths: CorePaths,
    panel: StudioPanel,
    origins: Origins,
    typical: Mapping[int, Typical],
) -> FloatArray:
    """(N * H, F) float32 rows, horizon fastest.

    Args:
        origin_features: (N, F0) of `FEATURE_NAMES`.
        paths: the core's projection from the N origins with every lever free.
        panel: the months; only those up to each origin are read.
        origins: the origins.
        typical: month column to what is typical of it, for every column of the origins.
    """
    n, horizon_months = paths.revenue.shape
    if not n:
        return np.zeros((0, origin_features.shape[1] + len(MONTH_FEATURES)), dtype=np.float32)
    columns, inverse = np.unique(origins.columns, return_inverse=True)
    centre = np.stack([typical[int(c)].origin for c in columns])[inverse]
    month = (
        _month_features(paths, panel, origins)
        - np.stack([typical[int(c)].month for c in columns])[inverse][:, :horizon_months]
    )
    repeated = np.broadcast_to(
        (origin_features - centre)[:, None, :], (n, horizon_months, origin_features.shape[1])
    )
    return np.concatenate([repeated, month], axis=2).reshape(n * horizon_months, -1).astype(np.float32)


def _month_features(paths: CorePaths, panel: StudioPanel, origins: Origins) -> FloatArray:
    """(N, H, M) features of the projected months."""
    n, horizon_months = paths.revenue.shape
    h = np.broadcast_to(np.arange(1, horizon_months + 1), (n, horizon_months))
    angle = 2 * np.pi * ((panel.calendar_months[origins.columns][:, None] + h) % 12) / 12
    revenue, members = panel.values["total_revenue"], panel.values["total_members"]
    before = origins.columns[:, None] + h - 12
    year_ago = np.where(before >= 0, revenue[origins.rows[:, None], np.maximum(before, 0)], np.nan)
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


def learning_rows(
    panel: StudioPanel,
    features: FloatArray,
    states: CoreStates,
    origins: Origins,
    most: int,
    rng: np.random.Generator,
) -> LearningRows:
    """Rows of the origins whose projected months are known, at most `most`, drawn evenly.

    Args:
        panel: months up to the fit's cutoff; a month after it is unknown and gives no row.
        features: (S, T, F0) the feature store on the panel's calendar.
        states: of the core at the fit's parameters.
        origins: candidates for rows.
        most: number of rows drawn.
        rng: source of the draw.
    """
    kept = _drawn_origins(origins, most // MAX_HORIZON_MONTHS + 1, rng)
    paths = project_core(states, kept.rows, kept.columns, MAX_HORIZON_MONTHS)
    typical = {int(c): typical_of_month(features[:, c], states, int(c)) for c in np.unique(kept.columns)}
    x = row_features(features[kept.rows, kept.columns], paths, panel, kept, typical)
    corrections = np.stack(
        [_own_corrections(panel, kept, paths, target).reshape(-1) for target in TARGETS], 1
    )
    useful = np.isfinite(corrections).any(1)
    return LearningRows(x[useful], corrections[useful])


def _drawn_origins(origins: Origins, most: int, rng: np.random.Generator) -> Origins:
    """Whole origins, so that the months that studios share stay comparable."""
    if len(origins) <= most:
        return origins
    chosen = np.sort(rng.choice(len(origins), most, replace=False))
    return Origins(origins.rows[chosen], origins.columns[chosen])


def _own_corrections(panel: StudioPanel, origins: Origins, paths: CorePaths, target: str) -> FloatArray:
    """(N, H) corrections with what all studios of an origin month share taken out, where enough of them share
    it.

    A few dozen calendar months are the real sample of everything that hits all studios at once; a learner
    would only memorise them.
    """
    actual = actual_months(panel, target, origins.rows, origins.columns, MAX_HORIZON_MONTHS)
    missed = correction_of(actual, core_targets(paths)[target], target)
    for column in np.unique(origins.columns):
        here = origins.columns == column
        if here.sum() >= _FEWEST_SHARING_A_MONTH and np.isfinite(missed[here]).any():
            missed[here] -= _column_medians(missed[here])
    return missed


def _column_medians(values: FloatArray) -> FloatArray:
    """(H,) medians of the known values; 0 where fewer than `_FEWEST_SHARING_A_MONTH` are known."""
    enough = np.isfinite(values).sum(0) >= _FEWEST_SHARING_A_MONTH
    medians = np.zeros(values.shape[1])
    if enough.any():
        medians[enough] = np.nanmedian(values[:, enough], axis=0)
    return medians
