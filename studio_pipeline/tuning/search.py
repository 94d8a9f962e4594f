"""The search of one learner: trials over time-ordered folds, until the budget is spent.

Each trial is drawn from the seed and the number of trials that ended before it, so a search that was killed
and gone on with tries the same values as one that was not (as long as Optuna's version stays the same, and
neither is cut short by time). A trial that is worse after a fold than half of those before it ends there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
class Conditions:
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
    conditions: Conditions,
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


def _stop(study: optuna.Study, conditions: Conditions, seconds: float) -> str:
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
