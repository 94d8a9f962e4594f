"""Result of a search as stored: verdicts as JSON, trials and importances as Parquet.

Writes and reads the whole result as an asset. The configuration reads only the values, with `values`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from studio_pipeline.panel.frames import stacked_tables
from studio_pipeline.tuning.search import ended
from studio_pipeline.tuning.studies import FOLD_LOSSES, LIFE, SECONDS
from studio_pipeline.tuning.values import VALUES
from studio_pipeline.tuning.verdicts import Gain, LearnerVerdict, Search, values_json

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
    "importance": "Share in separating good trials from others (PED-ANOVA, Watanabe et al. 2023); sums to 1.",
}
_FEWEST_FOR_IMPORTANCE = 10


def trials_table(learner: str, study: optuna.Study) -> pd.DataFrame:
    """Table of a study's trials: columns `TRIAL_COLUMNS`, one row per trial."""
    rows, best = [], float("nan")
    for number, trial in enumerate(ended(study)):
        is_complete = trial.state.name == "COMPLETE"
        loss = float(trial.user_attrs[FOLD_LOSSES][-1])
        if is_complete:
            best = loss if pd.isna(best) else min(best, loss)
        state, own = ("complete", loss) if is_complete else ("given up", float("nan"))
        made = (float(trial.user_attrs[SECONDS]), str(trial.user_attrs[LIFE])[:8], values_json(trial.params))
        rows.append((learner, number, state, own, best, *made))
    return pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))


def importances_of(learner: str, study: optuna.Study) -> pd.DataFrame:
    """Importance of hyperparameters by PED-ANOVA, largest first; empty with fewer than 10 complete trials."""
    import optuna

    complete = [trial for trial in ended(study) if trial.state.name == "COMPLETE"]
    if len(complete) < _FEWEST_FOR_IMPORTANCE or len({trial.value for trial in complete}) == 1:
        return pd.DataFrame([], columns=list(IMPORTANCE_COLUMNS))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    rows = [(learner, name, share) for name, share in found.items()]
    return pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS))


_TRIALS, _IMPORTANCES = "trials.parquet", "importances.parquet"


@dataclass(frozen=True)
class TunedHyperparameters:
    """Result of the search over all learners."""

    verdicts: tuple[LearnerVerdict, ...]
    data_version: str  # of the months used for the search
    trials: pd.DataFrame
    importances: pd.DataFrame

    @classmethod
    def of(
        cls,
        verdicts: Sequence[LearnerVerdict],
        data_version: str,
        trials: Sequence[pd.DataFrame] = (),
        importances: Sequence[pd.DataFrame] = (),
    ) -> TunedHyperparameters:
        """Build a result from verdicts and the tables of each learner."""
        tables = ((trials, TRIAL_COLUMNS), (importances, IMPORTANCE_COLUMNS))
        return cls(
            tuple(verdicts), data_version, *(stacked_tables(some, _types(names)) for some, names in tables)
        )

    @property
    def values(self) -> dict[str, dict[str, float]]:
        """Learner to the hyperparameters that replace its defaults; only learners with such values."""
        return {v.learner: dict(v.values) for v in self.verdicts if v.values}

    def write(self, folder: Path) -> None:
        """Store the result in a folder as JSON and Parquet."""
        stored = {
            "values": self.values,
            "data_version": self.data_version,
            "verdicts": [_finite(asdict(verdict)) for verdict in self.verdicts],
        }
        (folder / VALUES).write_text(json.dumps(stored, indent=1, allow_nan=False), encoding="utf-8")
        self.trials.to_parquet(folder / _TRIALS, index=False)
        self.importances.to_parquet(folder / _IMPORTANCES, index=False)

    @classmethod
    def read(cls, folder: Path) -> TunedHyperparameters:
        """Read what `write` stored."""
        stored = json.loads((folder / VALUES).read_text(encoding="utf-8"))
        return cls(
            tuple(_verdict(verdict) for verdict in stored["verdicts"]),
            stored["data_version"],
            pd.read_parquet(folder / _TRIALS),
            pd.read_parquet(folder / _IMPORTANCES),
        )


def _types(columns: Iterable[str]) -> dict[str, str]:
    numeric = ("trial", "loss", "best_so_far", "seconds", "importance")
    return {name: "float64" if name in numeric else "object" for name in columns}


def _finite(value: Any) -> Any:
    """Replace infinities and NaN by None, since JSON has neither."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def _verdict(stored: dict[str, Any]) -> LearnerVerdict:
    gain = None if stored["gain"] is None else Gain(**_known(stored["gain"]))
    return LearnerVerdict(**(stored | {"gain": gain, "search": Search(**_known(stored["search"]))}))


def _known(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: float("nan") if item is None else item for name, item in stored.items()}
