"""Search of one learner: prepared rows, and trials over time-ordered folds.

Each trial is drawn from the seed and the number of trials that ended before it, so a search that was killed
and gone on with tries the same values as one that was not (as long as Optuna's version stays the same, and
neither is cut short by time). A trial that is worse after a fold than half of those before it ends there.

The search sees the earlier folds alone, and of them only months that were known at the last fold's cutoff;
the last fold is kept for the decision.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from studio_pipeline.forecasting.backtest.core_backtest import (
    CoreFit,
    backtest_studios,
    fit_core,
    fold_states,
)
from studio_pipeline.forecasting.backtest.learner_backtest import (
    corrections_of,
    first_origin,
    fit_target,
    free_rows,
    rows_of_target,
    rows_to_learn,
)
from studio_pipeline.forecasting.base.flows import corrected
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS, ForecastingConfig
from studio_pipeline.forecasting.base.origins import Origins, evenly_spaced_origins, origins_between
from studio_pipeline.forecasting.ensemble.candidates import stacked
from studio_pipeline.forecasting.ensemble.weights import error_sizes
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES, RowArray
from studio_pipeline.forecasting.features.feature_store import feature_array, feature_frame
from studio_pipeline.forecasting.features.lever_features import monotone_signs
from studio_pipeline.forecasting.learners.learner import LearnerName
from studio_pipeline.forecasting.learners.onnx_ensemble import CorrectionSizes
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel
from studio_pipeline.tuning.spaces import Space, Values
from studio_pipeline.tuning.studies import FOLD_LOSSES, LIFE, SECONDS, distributions_of

if TYPE_CHECKING:
    import optuna


DRAWN_BLINDLY = 10
_FEWEST_TO_PRUNE = 5
_LARGEST_LOSS = 1e6
"""Stands for losses that are no number: the sampler needs to know that a place is bad."""

FoldLoss = Callable[[Values, int], float]
"""Loss of values at one fold, as an addend of the whole loss."""


@dataclass(frozen=True)
class SearchConditions:
    """Under which a search goes on.

    Attributes:
        budget_seconds: the trial that is running when they are spent is ended.
        max_trials: of the study.
        seed: of the draws.
        life: names the run, so that one sees which trials are whose.
    """

    budget_seconds: float
    max_trials: int
    seed: int
    life: str


@dataclass(frozen=True)
class Objective:
    """What is minimised: the sum of `loss` over `n_folds` folds, asked in order of time."""

    loss: FoldLoss
    n_folds: int


def search(
    study: optuna.Study,
    objective: Objective,
    space: Space,
    starts: Sequence[Values],
    conditions: SearchConditions,
) -> str:
    """Run trials until a limit is reached, and return which, in words.

    Args:
        study: earlier trials of it count, and so do their seconds.
        objective: what is minimised.
        space: what is searched.
        starts: tried first, to the end; the defaults among them.
        conditions: when it stops, and what it draws from.
    """
    started, before = time.monotonic(), spent_seconds(study)
    while not (reason := _stop(study, conditions, before + time.monotonic() - started)):
        place = len(ended(study))
        if place < len(starts):
            _try_start(study, objective, space, starts[place], conditions.life)
        else:
            _try_drawn(study, objective, space, conditions.seed + place, conditions.life)
    return reason


def ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials with a verdict, in their order."""
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return study.get_trials(deepcopy=False, states=states)


def spent_seconds(study: optuna.Study) -> float:
    """Seconds of all trials that ended."""
    return float(sum(trial.user_attrs.get(SECONDS, 0.0) for trial in ended(study)))


def best_trial(study: optuna.Study) -> optuna.trial.FrozenTrial | None:
    """The earliest of those with the lowest loss at all folds."""
    complete = [trial for trial in ended(study) if trial.state.name == "COMPLETE"]
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


def _stop(study: optuna.Study, conditions: SearchConditions, seconds: float) -> str:
    count = len(ended(study))
    if count >= conditions.max_trials:
        return f"all {conditions.max_trials} trials are done"
    return (
        f"the budget of {conditions.budget_seconds:.0f} s is spent"
        if seconds >= conditions.budget_seconds
        else ""
    )


def _losses(
    objective: Objective, values: Values, is_hopeless: Callable[[int, float], bool]
) -> tuple[list[float], bool]:
    """Cumulative losses fold by fold, and whether the trial was given up before the last."""
    losses: list[float] = []
    for fold in range(objective.n_folds):
        loss = objective.loss(values, fold)
        total = (losses[-1] if losses else 0.0) + (loss if math.isfinite(loss) else _LARGEST_LOSS)
        losses.append(min(total, _LARGEST_LOSS))
        if fold + 1 < objective.n_folds and is_hopeless(fold, losses[-1]):
            return losses, True
    return losses, False


def _try_start(study: optuna.Study, objective: Objective, space: Space, values: Values, life: str) -> None:
    import optuna

    started = time.monotonic()
    losses, _ = _losses(objective, values, lambda fold, loss: False)
    study.add_trial(
        optuna.trial.create_trial(
            value=losses[-1],
            params={name: int(values[name]) if space[name].is_whole else values[name] for name in space},
            distributions=distributions_of(space),
            intermediate_values=dict(enumerate(losses)),
            user_attrs={SECONDS: time.monotonic() - started, LIFE: life, FOLD_LOSSES: losses},
        )
    )


def _try_drawn(study: optuna.Study, objective: Objective, space: Space, seed: int, life: str) -> None:
    import optuna

    started = time.monotonic()
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=DRAWN_BLINDLY)
    trial = study.ask(distributions_of(space))
    at_folds = _at_folds(study)

    def is_hopeless(fold: int, loss: float) -> bool:
        trial.report(loss, fold)
        known = [losses[fold] for losses in at_folds if len(losses) > fold]
        return len(known) >= _FEWEST_TO_PRUNE and loss > float(np.median(known))

    losses, given_up = _losses(objective, trial.params, is_hopeless)
    trial.set_user_attr(SECONDS, time.monotonic() - started)
    trial.set_user_attr(LIFE, life)
    trial.set_user_attr(FOLD_LOSSES, losses)
    if given_up:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, losses[-1])


def _at_folds(study: optuna.Study) -> list[list[float]]:
    return [list(trial.user_attrs.get(FOLD_LOSSES, [])) for trial in ended(study)]


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

    def losses(self, learner: LearnerName, configuration: ForecastingConfig) -> FloatArray:
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


def prepare(panel: StudioPanel, configuration: ForecastingConfig) -> PreparedFolds | None:
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
    configuration: ForecastingConfig,
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
