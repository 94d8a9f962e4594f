"""Search for one learner: preparation of the folds, and trials over time-ordered folds.

Optuna's TPE sampler with pruning by the median. Each trial is drawn from the seed and the number of trials
that ended before it, so a killed and resumed search tries the same values as an uninterrupted one (as long as
Optuna's version stays the same, and neither is cut short by time). A trial that is worse after a fold than
half of those before it ends there.

The search uses the earlier folds only, and of them only months that were known at the last fold's cutoff; the
last fold is reserved for the decision (`verdicts`). Source: Bergstra, Bardenet, Bengio and Kegl, "Algorithms
for hyper-parameter optimization", NeurIPS 2011.
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
from studio_pipeline.forecasting.base.hyperparameters import (
    MAX_HORIZON_MONTHS,
    ForecastingConfig,
    LearnerName,
)
from studio_pipeline.forecasting.base.origins import Origins, evenly_spaced_origins, origins_between
from studio_pipeline.forecasting.ensemble.candidates import stacked
from studio_pipeline.forecasting.ensemble.weights import error_sizes
from studio_pipeline.forecasting.features.feature_matrix import ROW_FEATURES, RowArray
from studio_pipeline.forecasting.features.feature_store import feature_array, feature_frame
from studio_pipeline.forecasting.features.lever_features import monotone_signs
from studio_pipeline.forecasting.learners.onnx_ensemble import CorrectionSizes
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel
from studio_pipeline.tuning.spaces import Space, Values
from studio_pipeline.tuning.studies import FOLD_LOSSES, LIFE, SECONDS, distributions_of

if TYPE_CHECKING:
    import optuna


DRAWN_BLINDLY = 10
_FEWEST_TO_PRUNE = 5
_LARGEST_LOSS = 1e6
"""Substitute for losses that are not finite, so that the sampler learns to avoid the values."""

FoldLoss = Callable[[Values, int], float]
"""Loss of hyperparameter values on one fold, as an addend of the total loss."""


@dataclass(frozen=True)
class SearchConditions:
    """Limits and random seed of a search."""

    budget_seconds: float  # time limit; a trial that is running when it is reached is completed
    max_trials: int
    seed: int
    life: str  # identifies the run in the table of trials


@dataclass(frozen=True)
class Objective:
    """Objective of the minimisation: the sum of `loss` over `n_folds` folds, evaluated in order of time."""

    loss: FoldLoss
    n_folds: int


def search(
    study: optuna.Study,
    objective: Objective,
    space: Space,
    starts: Sequence[Values],
    conditions: SearchConditions,
) -> str:
    """Run trials until a limit is reached.

    Earlier trials of the study and their seconds count towards the limits. `starts` are values tried first,
    without pruning; the defaults are among them.

    Returns:
        The limit that was reached, as a clause.
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
    """Completed and pruned trials, in their order."""
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return study.get_trials(deepcopy=False, states=states)


def spent_seconds(study: optuna.Study) -> float:
    """Seconds of all trials that ended."""
    return float(sum(trial.user_attrs.get(SECONDS, 0.0) for trial in ended(study)))


def best_trial(study: optuna.Study) -> optuna.trial.FrozenTrial | None:
    """The complete trial with the lowest loss, the earliest of several; None if there is none."""
    complete = [trial for trial in ended(study) if trial.state.name == "COMPLETE"]
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


def _stop(study: optuna.Study, conditions: SearchConditions, seconds: float) -> str:
    count = len(ended(study))
    if count >= conditions.max_trials:
        return f"all {conditions.max_trials} trials are done"
    budget = conditions.budget_seconds
    return f"the budget of {budget:.0f} s is spent" if seconds >= budget else ""


def _losses(
    objective: Objective, values: Values, is_hopeless: Callable[[int, float], bool]
) -> tuple[list[float], bool]:
    """Cumulative losses by fold, and True if the trial was pruned before the last fold."""
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
    at_folds = [trial.user_attrs.get(FOLD_LOSSES, []) for trial in ended(study)]

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


TARGET = "revenue"
FEWEST_FOLDS = 2
_MOST_STUDIOS_A_MONTH = 150


@dataclass(frozen=True)
class PreparedFold:
    """One fit of a learner, and N origins of H = 12 months on which it is evaluated."""

    x: RowArray  # (R, F) feature matrix of the training rows
    y: RowArray  # (R,) corrections of the core, the training target
    sizes: CorrectionSizes  # scales of the corrections
    asked: RowArray  # (N, H, F) feature rows to forecast, every lever free
    core: FloatArray  # (N, H) the core's forecasts
    actual: FloatArray  # (N, H) actual values; NaN where unknown, or hidden from the search
    share: FloatArray  # (N, H) weight of an absolute error: recency over the size of the studio's errors
    months: IntArray  # (N, H) columns of the forecast months

    def losses(self, learner: LearnerName, configuration: ForecastingConfig) -> FloatArray:
        """(N, H) weighted absolute errors of the core as corrected by a learner; NaN where unknown."""
        model = fit_target(learner, self.x, self.y, monotone_signs(ROW_FEATURES, TARGET), configuration)
        found = corrections_of({TARGET: model}, {TARGET: self.sizes}, self.asked, {})[TARGET]
        return self.share * np.abs(corrected(self.core, found, TARGET) - self.actual)

    def core_losses(self) -> FloatArray:
        """(N, H) weighted absolute errors of the core alone; NaN where unknown."""
        return self.share * np.abs(self.core - self.actual)


@dataclass(frozen=True)
class PreparedFolds:
    """The folds of the search, earliest first, and the fold of the decision."""

    search: tuple[PreparedFold, ...]
    decision: PreparedFold


def prepare(panel: StudioPanel, configuration: ForecastingConfig) -> PreparedFolds | None:
    """Fit the core at every fold and prepare the rows of the learners; None if there are too few months."""
    core = fit_core(panel, configuration)
    if len(core.folds) < FEWEST_FOLDS:
        return None
    features = feature_array(feature_frame(panel), panel)
    folds = [_prepared(panel, features, core, number, configuration) for number in range(len(core.folds))]
    searched, decision = [fold for fold in folds[:-1] if fold is not None], folds[-1]
    return PreparedFolds(tuple(searched), decision) if searched and decision is not None else None


def _prepared(
    panel: StudioPanel, features: FloatArray, core: CoreFit, number: int, configuration: ForecastingConfig
) -> PreparedFold | None:
    fold, last = core.folds[number], number == len(core.folds) - 1
    states = fold_states(panel, fold, core.fold_parameters[number])
    seen = panel.until(fold.cutoff)
    studios = backtest_studios(panel, configuration)
    learned_from = origins_between(seen, first_origin(fold.cutoff), fold.cutoff - 1, studios)
    rows = rows_to_learn(seen, features, states, learned_from, configuration)
    learnt = rows_of_target(rows, TARGET)
    used = _evaluated_origins(core, number)
    oof = core.out_of_fold
    asked = oof.origins.take(np.flatnonzero(used))
    if learnt is None or not len(asked):
        return None
    months = asked.columns[:, None] + np.arange(1, MAX_HORIZON_MONTHS + 1)
    # Months after the cutoff of the decision fold would leak the test data into the search.
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


def _evaluated_origins(core: CoreFit, number: int) -> BoolArray:
    """(N,) mask of the origins on which a fold is evaluated: a sample of studios in each month."""
    oof = core.out_of_fold
    sizes = (oof.last_known[TARGET], oof.candidates[TARGET]["core"][:, 0])
    taken = evenly_spaced_origins(oof.origins.columns, sizes, _MOST_STUDIOS_A_MONTH)
    return np.asarray((oof.fold == number) & taken)


def _share(core: CoreFit, used: BoolArray, asked: Origins, half_life_months: float) -> FloatArray:
    """(N, H) weights of errors as in the ensemble: recent origins count more, errors are relative to size."""
    size = error_sizes(stacked(core.out_of_fold.candidates[TARGET])[:, used])
    recency = 0.5 ** ((core.out_of_fold.origins.columns.max() - asked.columns) / half_life_months)
    return np.repeat((recency / size)[:, None], MAX_HORIZON_MONTHS, axis=1)
