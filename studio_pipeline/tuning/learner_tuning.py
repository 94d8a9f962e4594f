"""Tuning of all learners: search on the earlier folds, decision on the last one.

Divides the time budget between the learners and puts together their verdicts. Trials are in `search`, the
statistical decision in `verdicts`, and storage of the result in `result`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio_pipeline.forecasting.base.hyperparameters import LEARNERS, ForecastingConfig, LearnerName
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.snapshots import data_version_of
from studio_pipeline.tuning.result import TunedHyperparameters, importances_of, trials_table
from studio_pipeline.tuning.search import (
    Objective,
    PreparedFolds,
    SearchConditions,
    best_trial,
    ended,
    prepare,
    search,
    spent_seconds,
)
from studio_pipeline.tuning.spaces import Space, Values, space_of, values_in, with_values
from studio_pipeline.tuning.studies import (
    FOLDER,
    digest_of,
    open_storage,
    open_study,
    prune_studies,
)
from studio_pipeline.tuning.values import TuningConfig
from studio_pipeline.tuning.verdicts import Gain, LearnerVerdict, Search, judge, paired_gain, unsearched

if TYPE_CHECKING:
    import optuna


TUNING_LOCK = "tuning.lock"
"""Lock file of the search that writes the studies."""

SCHEME = 1
"""Version of the computation of losses; studies with another version are not resumed."""


@dataclass(frozen=True)
class _Task:
    """The search for one learner: its folds, configuration and search space."""

    learner: LearnerName
    folds: PreparedFolds
    configuration: ForecastingConfig
    space: Space

    @property
    def defaults(self) -> dict[str, float]:
        """The default values in the search space, which tuned values have to beat."""
        return values_in(self.space, getattr(self.configuration, self.learner).model_dump())

    def loss(self, values: Values, fold: int) -> float:
        """A fold's addend of the loss: the learner's error relative to the core's over all search folds."""
        configuration = with_values(self.configuration, self.learner, values)
        whole = sum(float(np.nansum(f.core_losses())) for f in self.folds.search)
        return float(np.nansum(self.folds.search[fold].losses(self.learner, configuration))) / whole


def tune_learners(
    panel: StudioPanel,
    configuration: ForecastingConfig,
    options: TuningConfig,
    home: Path,
    life: str,
    earlier: Mapping[str, Values] | None = None,
) -> TunedHyperparameters:
    """Search the hyperparameters of every learner within the budget, and keep those that beat the defaults.

    Args:
        configuration: defaults, without tuned values; fields that it sets explicitly are not searched.
        life: identifies the run in the table of trials.
        earlier: learner to values of an earlier result, tried right after the defaults.

    Returns:
        The verdicts, trials and importances; all learners keep their defaults if there are too few months.

    Raises:
        RunInProgressError: another search uses the studies.
    """
    with hold_lock(home / FOLDER, TUNING_LOCK):
        folds, version = prepare(panel, configuration), data_version_of(panel)
        if folds is None:
            reason = "there are too few months to search on some of them and decide on others"
            return TunedHyperparameters.of([unsearched(name, reason) for name in LEARNERS], version)
        return tune_prepared(folds, version, configuration, options, (home, life), earlier)


def tune_prepared(
    folds: PreparedFolds,
    data_version: str,
    configuration: ForecastingConfig,
    options: TuningConfig,
    place: tuple[Path, str],
    earlier: Mapping[str, Values] | None = None,
) -> TunedHyperparameters:
    """`tune_learners` on the prepared folds of a panel of `data_version`; `place` is the home and the run."""
    tasks = [_Task(name, folds, configuration, space_of(name, configuration)) for name in LEARNERS]
    digest = digest_of(SCHEME, data_version, configuration.model_dump(), [task.space for task in tasks])
    home, life = place
    storage = open_storage(home)
    studies = {task.learner: open_study(storage, task.learner, digest) for task in tasks}
    verdicts, left = [], options.budget_seconds
    for number, task in enumerate(tasks):
        study, share = studies[task.learner], left / (len(tasks) - number)
        conditions = SearchConditions(share, options.max_trials, configuration.seed, life)
        verdicts.append(_tuned(task, study, conditions, options, (earlier or {}).get(task.learner)))
        left = max(left - spent_seconds(study), 0.0)
    prune_studies(storage, options.kept_studies)
    tables = [trials_table(name, study) for name, study in studies.items()]
    shares = [importances_of(name, study) for name, study in studies.items()]
    return TunedHyperparameters.of(verdicts, data_version, tables, shares)


def _tuned(
    task: _Task,
    study: optuna.Study,
    conditions: SearchConditions,
    options: TuningConfig,
    earlier: Values | None,
) -> LearnerVerdict:
    if not task.space:
        return unsearched(task.learner, "the configuration sets all of its hyperparameters by name")
    defaults = task.defaults
    starts = [defaults]
    if earlier and (again := values_in(task.space, defaults | dict(earlier))) != defaults:
        starts.append(again)
    objective = Objective(task.loss, len(task.folds.search))
    reason = search(study, objective, task.space, starts, conditions)
    found, done = best_trial(study), ended(study)
    proposed = {} if found is None or dict(found.params) == defaults else dict(found.params)
    lost = [float(trial.value or np.nan) for trial in (done[0], found or done[0])] if done else [1.0, 1.0]
    given_up = sum(trial.state.name == "PRUNED" for trial in done)
    did = Search(len(done), given_up, spent_seconds(study), reason, 1 - lost[1] / lost[0])
    gain = _gain(task, proposed) if proposed else None
    return judge(task.learner, proposed, gain, did, options.least_gain)


def _gain(task: _Task, proposed: Values) -> Gain:
    fold = task.folds.decision
    tuned = with_values(task.configuration, task.learner, proposed)
    before, after = (fold.losses(task.learner, c) for c in (task.configuration, tuned))
    return paired_gain(before, after, fold.months)
