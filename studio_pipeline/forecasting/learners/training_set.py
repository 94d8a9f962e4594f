"""Training set of a learner: sampled origins, masks of given levers, and the core's errors as targets.

Features of the rows are computed in `features.feature_matrix`, sizes of corrections in `onnx_ensemble`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.base.flows import TARGETS, actual_months, correction_of
from studio_pipeline.forecasting.base.given_levers import drawn_masks, given_levers, known_levers
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.origins import Origins, canonical_order
from studio_pipeline.forecasting.core.simulation import core_targets
from studio_pipeline.forecasting.core.states import CoreStates, project_core
from studio_pipeline.forecasting.features.feature_matrix import (
    FEWEST_SHARING_A_MONTH,
    RowArray,
    centred_rows,
)
from studio_pipeline.forecasting.features.lever_features import determined
from studio_pipeline.forecasting.learners.onnx_ensemble import CorrectionSizes, correction_sizes
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

_MASKS_A_MONTH = 4
_LARGEST_MISS = 2.0
_MOST_SHARING_A_MONTH = 60


@dataclass(frozen=True)
class LearningRows:
    """Rows that a learner is fitted on."""

    features: RowArray  # (R, F) rows
    corrections: FloatArray  # (R, 3) corrections of the core by target, in usual sizes; NaN where unknown
    sizes: dict[str, CorrectionSizes]  # target to the usual sizes


@dataclass(frozen=True)
class _Masked:
    """N origins, each with a mask of given levers; origins with equal keys have the same month and mask."""

    origins: Origins
    given: BoolArray
    key: IntArray


def learning_rows(
    panel: StudioPanel,
    features: FloatArray,
    states: CoreStates,
    origins: Origins,
    most: int,
    rng: np.random.Generator,
) -> LearningRows:
    """Build the rows of a uniform sample of origins whose projected months are known.

    Each origin is projected with a random subset of levers given, one of a few masks of its month, at their
    actual values. The sample depends on the studios' months, not on their names or order.

    Args:
        panel: months up to the fit's cutoff; a month after it is unknown and gives no row.
        features: (S, T, F0) the feature store on the panel's calendar.
        most: largest number of rows, rounded up to whole origins of 12 rows.
    """
    rank = np.argsort(canonical_order(panel))
    masks = drawn_masks(panel.n_months * _MASKS_A_MONTH, rng)
    # Most queries give no lever, so each month has one mask without any.
    masks[::_MASKS_A_MONTH] = False
    kept = _drawn(origins, rank, most // MAX_HORIZON_MONTHS + 1, masks, rng)
    levers = given_levers(known_levers(panel, kept.origins), kept.given)
    x = centred_rows(features, states, kept.origins, levers)
    missed = _missed(panel, states, kept)
    keys, medians = _shared_by_key(panel, states, _sharing(origins, rank, kept, masks))
    own = {t: _own(missed[t], kept.key, keys, medians[t]) for t in TARGETS}
    sizes = {t: correction_sizes(own[t], kept.given) for t in TARGETS}
    corrections = np.stack([_in_sizes(own[t], sizes[t], kept.given).reshape(-1) for t in TARGETS], 1)
    useful = np.isfinite(corrections).any(1)
    return LearningRows(x[useful], corrections[useful], sizes)


def _drawn(
    origins: Origins, rank: IntArray, most: int, masks: BoolArray, rng: np.random.Generator
) -> _Masked:
    """Draw at most `most` origins in canonical order, each with one of the masks of its month."""
    order = np.lexsort([rank[origins.rows], origins.columns])
    if len(order) > most:
        order = order[np.sort(rng.choice(len(order), most, replace=False))]
    chosen = Origins(origins.rows[order], origins.columns[order])
    key = chosen.columns * _MASKS_A_MONTH + rng.integers(0, _MASKS_A_MONTH, len(chosen))
    return _Masked(chosen, masks[key], key)


def _sharing(origins: Origins, rank: IntArray, kept: _Masked, masks: BoolArray) -> _Masked:
    """Evenly spaced studios of each sampled month under each of its masks, for the common correction."""
    parts = []
    for column in np.unique(kept.origins.columns):
        rows = origins.rows[origins.columns == column]
        rows = rows[np.argsort(rank[rows])]
        if len(rows) > _MOST_SHARING_A_MONTH:
            rows = rows[np.linspace(0, len(rows) - 1, _MOST_SHARING_A_MONTH).astype(np.int64)]
        if len(rows) >= FEWEST_SHARING_A_MONTH:
            keys = np.unique(kept.key[kept.origins.columns == column])
            parts.append((np.tile(rows, len(keys)), np.repeat(keys, len(rows))))
    none = np.zeros(0, dtype=np.int64)
    rows = np.concatenate([none, *(rows for rows, _ in parts)])
    key = np.concatenate([none, *(keys for _, keys in parts)])
    return _Masked(Origins(rows, key // _MASKS_A_MONTH), masks[key], key)


def _missed(panel: StudioPanel, states: CoreStates, masked: _Masked) -> dict[str, FloatArray]:
    """Target to (N, H) corrections of the core under the given levers; NaN where unknown or determined."""
    origins = masked.origins
    levers = given_levers(known_levers(panel, origins), masked.given)
    paths = project_core(states, origins, levers)
    certain = determined(levers)
    found = {}
    for target in TARGETS:
        actual = actual_months(panel, target, origins)
        missed = correction_of(actual, core_targets(paths)[target], target)
        found[target] = np.where(certain[target], np.nan, missed)
    return found


def _shared_by_key(
    panel: StudioPanel, states: CoreStates, sharing: _Masked
) -> tuple[IntArray, dict[str, FloatArray]]:
    """(K,) keys, and target to (K, H) median corrections over the studios of one month under one mask.

    The sample of common errors is only a few dozen calendar months, which a learner would memorise. The
    common error depends on the given levers, so each mask has its own medians.
    """
    keys, group, size = np.unique(sharing.key, return_inverse=True, return_counts=True)
    place = np.arange(len(group)) - (np.cumsum(size) - size)[group]
    medians = {}
    for target, missed in _missed(panel, states, sharing).items():
        grouped = np.full((len(keys), _MOST_SHARING_A_MONTH, MAX_HORIZON_MONTHS), np.nan)
        grouped[group, place] = missed
        medians[target] = _medians(grouped)
    return keys, medians


def _own(missed: FloatArray, key: IntArray, shared_keys: IntArray, medians: FloatArray) -> FloatArray:
    """(N, H) corrections less the median of their month and mask, where one is known."""
    if not len(shared_keys):
        return missed
    place = np.minimum(np.searchsorted(shared_keys, key), len(shared_keys) - 1)
    is_shared = shared_keys[place] == key
    return np.asarray(missed - np.where(is_shared[:, None], medians[place], 0.0))


def _in_sizes(own: FloatArray, sizes: CorrectionSizes, given: BoolArray) -> FloatArray:
    """(N, H) corrections in usual sizes, clipped and with mean 0 at every horizon; NaN where unknown.

    Corrections are skewed, so their mean around the month's median is not 0; if it were kept, every studio
    would be corrected by it, also in months whose common error has the opposite sign.
    """
    size = sizes.of(np.repeat(given[:, None, :], own.shape[1], 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(size > 0, np.clip(own / size, -_LARGEST_MISS, _LARGEST_MISS), np.nan)
    known = np.isfinite(scaled)
    mean = np.where(known, scaled, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return np.asarray(scaled - mean)


def _medians(values: FloatArray) -> FloatArray:
    """(K, H) medians of the known values of (K, M, H); 0 with fewer than `FEWEST_SHARING_A_MONTH` of them."""
    ordered = np.sort(values, axis=1)
    known = np.isfinite(values).sum(1)
    middle = np.stack([np.maximum(known - 1, 0) // 2, known // 2], 1)
    median = np.take_along_axis(ordered, np.minimum(middle, values.shape[1] - 1), 1).mean(1)
    return np.asarray(np.where(known >= FEWEST_SHARING_A_MONTH, median, 0.0))
