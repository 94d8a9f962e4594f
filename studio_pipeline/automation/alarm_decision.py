"""Whether an alarm of the monitoring asks for a refit or for a search of better hyperparameters.

The same recipe on the same months gives the same model, so a refit is asked for only where there is something
that no run has learned from; else the recipe must change, and the new one challenges the old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio_pipeline.automation.decision import Attempt, Decision, RunEnd, last_verdict, unfinished


@dataclass(frozen=True)
class Jobs:
    """Names of the jobs that a decision may ask for.

    Attributes:
        refresh: fits the recipe again on what is there.
        tune: searches better hyperparameters; None where there is no such job.
    """

    refresh: str
    tune: str | None


@dataclass(frozen=True)
class AlarmFacts:
    """What is known at one look.

    Attributes:
        alarms: the text of each standing alarm by the name of its check.
        acted_on: texts of alarms that a run was asked for already.
        digest: of what the landing folder holds now.
        month: the calendar month that it is, as its first moment, seconds since 1970.
        attempts: runs of the whole graph, newest first.
        tuned_at: when the newest tuning run that an alarm asked for ended well; None for never.
        tuning: whether a tuning run is queued or going on.
    """

    alarms: Mapping[str, str]
    acted_on: frozenset[str]
    digest: str
    month: float
    attempts: Sequence[Attempt]
    tuned_at: float | None = None
    tuning: bool = False


def decide_alarm(facts: AlarmFacts, jobs: Jobs) -> Decision:
    """Ask for the job that can change what a new alarm complains of."""
    new = {check: text for check, text in facts.alarms.items() if text not in facts.acted_on}
    if not facts.alarms:
        return Decision(None, "No alarm stands.")
    if facts.tuning:
        return Decision(None, "A search for better hyperparameters is queued or going on.")
    if running := unfinished(facts.attempts):
        return Decision(
            None, f"Run {running.name} is queued or going on; its checks are judged when it ends."
        )
    if _awaits_challenge(facts):
        return Decision(jobs.refresh, f"{_told(facts.alarms)}: the tuned recipe is to challenge the old.")
    if not new:
        return Decision(None, f"A run was asked for already over: {_told(facts.alarms)}.")
    return _on_new(facts, new, jobs)


def _awaits_challenge(facts: AlarmFacts) -> bool:
    """Whether hyperparameters were tuned over an alarm that stands, and no run has used them since."""
    newest = max((attempt.started_at for attempt in facts.attempts), default=0.0)
    stands = any(text in facts.acted_on for text in facts.alarms.values())
    return stands and facts.tuned_at is not None and facts.tuned_at > newest


def _on_new(facts: AlarmFacts, new: Mapping[str, str], jobs: Jobs) -> Decision:
    verdict = last_verdict(facts.attempts)
    same = verdict is not None and verdict.digest == facts.digest
    if verdict is not None and same and verdict.end is not RunEnd.SUCCEEDED:
        return Decision(
            None, f"Run {verdict.name} over the present files {verdict.end.value}; first correct them."
        )
    if verdict is None or not same or verdict.started_at < facts.month:
        return Decision(jobs.refresh, f"{_told(new)}: there are months that the model has not learned from.")
    if jobs.tune is None:
        return Decision(None, f"{_told(new)}: a refit gives the same model, and no job tunes the learners.")
    return Decision(jobs.tune, f"{_told(new)}: a refit gives the same model, so its recipe is searched anew.")


def _told(alarms: Mapping[str, str]) -> str:
    return "; ".join(f"{check}: {text.rstrip('.')}" for check, text in sorted(alarms.items()))
