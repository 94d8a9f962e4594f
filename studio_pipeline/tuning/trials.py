"""A study as tables: its trials in their order, and how much each hyperparameter mattered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from studio_pipeline.tuning.search import ended
from studio_pipeline.tuning.studies import FOLD_LOSSES, LIFE, SECONDS

if TYPE_CHECKING:
    import optuna

TRIAL_COLUMNS = {
    "learner": "Whose hyperparameters are tried.",
    "trial": "Number in the order in which they ended, from 0 on; 0 are the defaults.",
    "state": "complete, or given up after an earlier fold.",
    "loss": "Error as a share of the core's over the folds that were searched; lower is better.",
    "best_so_far": "Lowest loss of a complete trial up to this one.",
    "seconds": "That the trial took.",
    "run": "The run that made it: a search that was killed is gone on with by the next.",
    "values": "Hyperparameters as JSON.",
}
IMPORTANCE_COLUMNS = {
    "learner": "Whose hyperparameter.",
    "hyperparameter": "Name.",
    "importance": "Share in what tells good trials from others (PED-ANOVA, Watanabe et al. 2023); sums to 1.",
}
_FEWEST_FOR_IMPORTANCE = 10


def trials_table(learner: str, study: optuna.Study) -> pd.DataFrame:
    """The columns of `TRIAL_COLUMNS`, a row a trial."""
    rows, best = [], float("nan")
    for number, trial in enumerate(ended(study)):
        is_complete = trial.state.name == "COMPLETE"
        loss = float(trial.user_attrs[FOLD_LOSSES][-1])
        if is_complete:
            best = loss if pd.isna(best) else min(best, loss)
        rows.append(
            (
                learner,
                number,
                "complete" if is_complete else "given up",
                loss if is_complete else float("nan"),
                best,
                float(trial.user_attrs[SECONDS]),
                str(trial.user_attrs[LIFE])[:8],
                json.dumps({name: _rounded(value) for name, value in trial.params.items()}),
            )
        )
    return pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))


def importances_of(learner: str, study: optuna.Study) -> pd.DataFrame:
    """The columns of `IMPORTANCE_COLUMNS`, the largest first; empty where few trials were complete."""
    import optuna

    complete = [trial for trial in ended(study) if trial.state.name == "COMPLETE"]
    if len(complete) < _FEWEST_FOR_IMPORTANCE or len({trial.value for trial in complete}) == 1:
        return pd.DataFrame([], columns=list(IMPORTANCE_COLUMNS))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    rows = [(learner, name, share) for name, share in found.items()]
    return pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS))


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")
