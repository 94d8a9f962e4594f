"""What every trial shares: rows to learn from and to be asked with, laid out once a run.

The search sees the earlier folds alone, and of them only months that were known at the last fold's cutoff;
the last fold is kept for the decision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.candidates import stacked
from studio_pipeline.forecasting.core_fit import CoreFit, backtest_studios, fit_core, fold_states
from studio_pipeline.forecasting.correction_sizes import CorrectionSizes
from studio_pipeline.forecasting.feature_store import feature_array, feature_frame
from studio_pipeline.forecasting.given_features import monotone_signs
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS, ForecastingConfiguration
from studio_pipeline.forecasting.learner_fitting import (
    corrections_of,
    first_origin,
    fit_target,
    free_rows,
    rows_of_target,
    rows_to_learn,
)
from studio_pipeline.forecasting.learners import LearnerName
from studio_pipeline.forecasting.learning_rows import ROW_FEATURES, RowArray
from studio_pipeline.forecasting.origins import Origins, origins_between
from studio_pipeline.forecasting.sampling import evenly_spaced_origins
from studio_pipeline.forecasting.target_weights import error_sizes
from studio_pipeline.forecasting.targets import corrected
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

TARGET = "revenue"
FEWEST_FOLDS = 2
_MOST_STUDIOS_A_MONTH = 150


@dataclass(frozen=True)
class PreparedFold:
    """One fit of a learner, and N origins of H = 12 months that it is judged by.

    Attributes:
        x: (R, F) rows to learn from.
        y: (R,) corrections to learn.
        sizes: the usual sizes of corrections.
        asked: (N, H, F) rows to forecast, every lever free.
        core: (N, H) the core's forecasts.
        actual: (N, H) what happened; NaN where it is not known, or not to be seen.
        share: (N, H) what an absolute error counts: recency over the size of the studio's errors.
        months: (N, H) month columns that are forecast.
    """

    x: RowArray
    y: RowArray
    sizes: CorrectionSizes
    asked: RowArray
    core: FloatArray
    actual: FloatArray
    share: FloatArray
    months: IntArray

    def losses(self, learner: LearnerName, configuration: ForecastingConfiguration) -> FloatArray:
        """(N, H) weighted absolute errors of the core as a learner corrects it; NaN where not known."""
        model = fit_target(learner, self.x, self.y, monotone_signs(ROW_FEATURES, TARGET), configuration)
        found = corrections_of({TARGET: model}, {TARGET: self.sizes}, self.asked, {})[TARGET]
        return self.share * np.abs(corrected(self.core, found, TARGET) - self.actual)

    def core_losses(self) -> FloatArray:
        """The same of the core alone."""
        return self.share * np.abs(self.core - self.actual)


@dataclass(frozen=True)
class PreparedFolds:
    """Folds that the search may see, earliest first, and the one that decides."""

    search: tuple[PreparedFold, ...]
    decision: PreparedFold


def prepare(panel: StudioPanel, configuration: ForecastingConfiguration) -> PreparedFolds | None:
    """Fits the core at every fold and lays out the rows; None where there is too little to learn from."""
    core = fit_core(panel, configuration)
    if len(core.folds) < FEWEST_FOLDS:
        return None
    features = feature_array(feature_frame(panel), panel)
    folds = [_prepared(panel, features, core, number, configuration) for number in range(len(core.folds))]
    searched, decision = [fold for fold in folds[:-1] if fold is not None], folds[-1]
    return PreparedFolds(tuple(searched), decision) if searched and decision is not None else None


def _prepared(
    panel: StudioPanel,
    features: FloatArray,
    core: CoreFit,
    number: int,
    configuration: ForecastingConfiguration,
) -> PreparedFold | None:
    fold, last = core.folds[number], number == len(core.folds) - 1
    states = fold_states(panel, fold, core.fold_parameters[number])
    seen = panel.until(fold.cutoff)
    studios = backtest_studios(panel, configuration)
    learned_from = origins_between(seen, first_origin(fold.cutoff), fold.cutoff - 1, studios)
    rows = rows_to_learn(seen, features, states, learned_from, configuration)
    learnt = rows_of_target(rows, TARGET)
    used = _asked(core, number)
    oof = core.out_of_fold
    asked = oof.origins.take(np.flatnonzero(used))
    if learnt is None or not len(asked):
        return None
    months = asked.columns[:, None] + np.arange(1, MAX_HORIZON_MONTHS + 1)
    # The search must not know what happened after the moment at which its choice is put to the test.
    visible = months <= (panel.n_months if last else core.folds[-1].cutoff)
    return PreparedFold(
        *learnt,
        rows.sizes[TARGET],
        free_rows(features, states, asked),
        oof.candidates[TARGET]["core"][used],
        np.where(visible, oof.actual[TARGET][used], np.nan),
        _share(core, used, asked, configuration.weights.half_life_months),
        months,
    )


def _asked(core: CoreFit, number: int) -> BoolArray:
    """(N,) the origins that a fold is judged by: some studios of each month speak for all."""
    oof = core.out_of_fold
    sizes = (oof.last_known[TARGET], oof.candidates[TARGET]["core"][:, 0])
    taken = evenly_spaced_origins(oof.origins.columns, sizes, _MOST_STUDIOS_A_MONTH)
    return np.asarray((oof.fold == number) & taken)


def _share(core: CoreFit, used: BoolArray, asked: Origins, half_life_months: float) -> FloatArray:
    """(N, H) as the ensemble's weights count errors: recent origins more, large studios by half."""
    size = error_sizes(stacked(core.out_of_fold.candidates[TARGET])[:, used])
    recency = 0.5 ** ((core.out_of_fold.origins.columns.max() - asked.columns) / half_life_months)
    return np.repeat((recency / size)[:, None], MAX_HORIZON_MONTHS, axis=1)
