"""Optuna studies in the SQLite file `STUDIO_HOME/tuning/studies.db`.

The file is in Optuna's own format, so its dashboard can open it. A study is named after the learner and a
digest of everything that a loss depends on, so that a search on other data never resumes it.
Trials are run in `search`.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio_pipeline.publishing.storage import storage_errors
from studio_pipeline.tuning.spaces import Space

if TYPE_CHECKING:
    import optuna


FOLDER = "tuning"
FILE = "studies.db"
SECONDS, LIFE, FOLD_LOSSES, BEGUN = "seconds", "life", "fold_losses", "begun_at"
_KEY_LENGTH = 16


def digest_of(*parts: Any) -> str:
    """16 hex digits of a SHA-256 over JSON values."""
    content = json.dumps(parts, sort_keys=True, default=vars).encode()
    return hashlib.sha256(content).hexdigest()[:_KEY_LENGTH]


def open_storage(home: Path) -> optuna.storages.BaseStorage:
    """Open the storage of STUDIO_HOME; it is created if it doesn't exist."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = home / FOLDER
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return optuna.storages.RDBStorage(f"sqlite:///{folder / FILE}")


def open_study(storage: optuna.storages.BaseStorage, learner: str, digest: str) -> optuna.Study:
    """Open or create a study; trials that a killed run left unfinished are marked as failed."""
    import optuna

    study = optuna.create_study(
        storage=storage, study_name=f"{learner}-{digest}", direction="minimize", load_if_exists=True
    )
    if BEGUN not in study.user_attrs:
        study.set_user_attr(BEGUN, datetime.now(UTC).isoformat())
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def prune_studies(storage: optuna.storages.BaseStorage, kept: int) -> list[str]:
    """Delete the studies of all but the `kept` latest digests, and return their names."""
    import optuna

    begun: dict[str, str] = {}
    names: dict[str, list[str]] = {}
    for summary in optuna.get_all_study_summaries(storage, include_best_trial=False):
        digest = summary.study_name.rpartition("-")[2]
        names.setdefault(digest, []).append(summary.study_name)
        begun[digest] = max(begun.get(digest, ""), str(summary.user_attrs.get(BEGUN, "")))
    latest = sorted(begun, key=lambda digest: begun[digest], reverse=True)
    old = [name for digest in latest[kept:] for name in names[digest]]
    for name in old:
        optuna.delete_study(study_name=name, storage=storage)
    return old


def distributions_of(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    """A search space as Optuna distributions."""
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        name: IntDistribution(int(one.low), int(one.high), log=one.is_log)
        if one.is_whole
        else FloatDistribution(one.low, one.high, log=one.is_log)
        for name, one in space.items()
    }
