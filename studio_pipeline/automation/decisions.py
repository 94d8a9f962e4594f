"""Decisions of the automation: which job to request, if any, and the reason. Pure functions without Dagster.

Past requests are known from the run history alone, so neither a lost cursor nor a killed daemon loses a file
or requests a run twice, and restored earlier content counts as new.

The same recipe on the same months gives the same model, so an alarm leads to a refit only if there are data
that no run has used; otherwise the hyperparameters are tuned, and the new recipe challenges the old one. The
facts are collected in `sensors` and `run_history`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from itertools import takewhile

from studio_pipeline.panel.ingest.folder_scan import names_in_words


@dataclass(frozen=True)
class RunDecision:
    """Request of a job, or of none, with a reason for the run's tags or the tick's skip reason."""

    job: str | None
    reason: str


class RunEnd(Enum):
    """State of a run, as far as it matters for requesting the next one."""

    UNFINISHED = "unfinished"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """An error, or a blocking check, stopped it. The same content would fail again."""
    CANCELED = "canceled"
    CROWDED_OUT = "crowded out"
    """Another run held the lock of STUDIO_HOME; nothing was read."""
    INTERRUPTED = "interrupted"
    """Its process was killed, or never started."""


@dataclass(frozen=True)
class Attempt:
    """A run of the whole graph, started or requested."""

    run_id: str
    end: RunEnd
    # The content of the landing folder that it read; if it did not get so far, the content that it was
    # requested for; "" if unknown.
    digest: str
    started_at: float  # seconds since 1970; time of the request if it has not started
    ended_at: float | None = None  # seconds since 1970; None until it has ended

    @property
    def name(self) -> str:
        """The run's id as shortened in the web UI."""
        return self.run_id[:8]


def _running(attempts: Sequence[Attempt], consequence: str) -> RunDecision | None:
    """Request nothing while an attempt is queued or in progress."""
    reasons = (f"Run {a.name} is queued or going on" for a in attempts if a.end is RunEnd.UNFINISHED)
    return next((RunDecision(None, f"{reason}{consequence}") for reason in reasons), None)


RETRIED = (RunEnd.CROWDED_OUT, RunEnd.INTERRUPTED)
"""Ends that are unrelated to the content: the run is requested again."""


def last_verdict(attempts: Sequence[Attempt]) -> Attempt | None:
    """The newest conclusive run for a content of the folder: succeeded, failed or canceled; newest first."""
    return next((a for a in attempts if a.digest and a.end not in (*RETRIED, RunEnd.UNFINISHED)), None)


RETRY_SECONDS = 30.0
"""Wait after an inconclusive run before the next try."""

MOST_TRIES = 3
"""Killed runs over the same content before it is left to a person: the content may be the cause."""


@dataclass(frozen=True)
class LandingFacts:
    """Facts on the landing folder at one tick."""

    digest: str  # of the folder's content; meaningless while files are unsettled
    files: int
    attempts: Sequence[Attempt]  # runs of the whole graph, newest first
    now: float  # seconds since 1970
    changes: str = ""  # files new, changed or removed since the last content that a run read; may be ""
    unsettled: Sequence[str] = ()
    temporary: Sequence[str] = ()  # files that no run reads until they are renamed
    fault: str = ""  # reason why the folder can't be read; "" if it can


def decide_landing(facts: LandingFacts, job: str) -> RunDecision:
    """Request `job` if the folder has settled on a content that no run has read, and none is in progress."""
    if facts.fault:
        return RunDecision(None, facts.fault)
    if facts.unsettled:
        return RunDecision(None, f"Still being written: {names_in_words(facts.unsettled)}.")
    names = facts.temporary
    temporary = f" Not read until renamed: {names_in_words(names)}." if names else ""
    if not facts.files:
        return RunDecision(None, f"The landing folder is empty.{temporary}")
    if running := _running(facts.attempts, "; what it leaves unread comes next."):
        return running
    verdict = last_verdict(facts.attempts)
    if verdict is not None and verdict.digest == facts.digest:
        return RunDecision(None, _known(verdict) + temporary)
    since = takewhile(lambda attempt: attempt is not verdict, facts.attempts)
    return _ask(facts, job, [one for one in since if one.digest == facts.digest and one.end in RETRIED])


def _known(verdict: Attempt) -> str:
    if verdict.end is RunEnd.SUCCEEDED:
        return f"Nothing new: run {verdict.name} has read what is there."
    if verdict.end is RunEnd.CANCELED:
        return f"Run {verdict.name} over these files was canceled; launch one by hand, or change them."
    return f"Run {verdict.name} failed over these files; correct them, or launch one by hand."


def _ask(facts: LandingFacts, job: str, tries: Sequence[Attempt]) -> RunDecision:
    """Request a run for unread content; `tries` are the inconclusive runs for it."""
    what = facts.changes or "content that no run has read"
    if not tries:
        return RunDecision(job, f"The landing folder changed: {what}.")
    last = tries[0]
    killed = [attempt for attempt in tries if attempt.end is RunEnd.INTERRUPTED]
    if len(killed) >= MOST_TRIES:
        count = f"{len(killed)} runs over these files were killed"
        return RunDecision(None, f"{count}; find out why, then launch one by hand.")
    wait = RETRY_SECONDS - (facts.now - (last.ended_at or last.started_at))
    if wait > 0:
        return RunDecision(None, f"Run {last.name} was {last.end.value}; the next try comes in {wait:.0f} s.")
    return RunDecision(job, f"Run {last.name} was {last.end.value}, and these are unread: {what}.")


def decide_monthly(now: datetime, digest: str, attempts: Sequence[Attempt], job: str) -> RunDecision:
    """Request `job` unless a run has read the same files since the month began, or is queued or in progress.

    A successful run of this month on the folder's present content would only be repeated. A failed one is
    tried again: once a month is cheap, and the cause may be gone.

    Args:
        now: with a time zone.
        digest: of the landing folder's content; "" if it can't be read.
    """
    begun = datetime(now.year, now.month, 1, tzinfo=UTC)
    if running := _running(attempts, ", and reads the month that is over."):
        return running
    done = [a for a in attempts if a.end is RunEnd.SUCCEEDED and a.started_at >= begun.timestamp()]
    newest = next((a for a in done if a.digest), None)
    if newest is not None and newest.digest == digest:
        return RunDecision(None, f"Run {newest.name} has read the same files since {begun:%B} began.")
    return RunDecision(job, f"Monthly refresh: no run has read these files since {begun:%B} began.")


@dataclass(frozen=True)
class Jobs:
    """Names of the jobs that a decision may request; None where no job tunes."""

    refresh: str
    tune: str | None


@dataclass(frozen=True)
class AlarmFacts:
    """Facts on the standing alarms at one tick."""

    alarms: Mapping[str, str]  # the text of each standing alarm by the name of its check
    acted_on: frozenset[str]
    digest: str
    month: float  # start of the current calendar month, seconds since 1970
    attempts: Sequence[Attempt]
    tuned_at: float | None = None  # end of the newest tuning asked for by an alarm, s since 1970
    tuning: bool = False


def decide_alarm(facts: AlarmFacts, jobs: Jobs) -> RunDecision:
    """Request the job that can remove the cause of a new alarm: a refit, or else tuning."""
    new = {check: text for check, text in facts.alarms.items() if text not in facts.acted_on}
    if not facts.alarms:
        return RunDecision(None, "No alarm stands.")
    if facts.tuning:
        return RunDecision(None, "A search for better hyperparameters is queued or going on.")
    if running := _running(facts.attempts, "; its checks are judged when it ends."):
        return running
    if _awaits_challenge(facts):
        return RunDecision(jobs.refresh, f"{_text(facts.alarms)}: the tuned recipe is to challenge the old.")
    if not new:
        return RunDecision(None, f"A run was asked for already over: {_text(facts.alarms)}.")
    return _on_new(facts, new, jobs)


def _awaits_challenge(facts: AlarmFacts) -> bool:
    """True if hyperparameters were tuned for a standing alarm and no run has used them since."""
    newest = max((attempt.started_at for attempt in facts.attempts), default=0.0)
    stands = any(text in facts.acted_on for text in facts.alarms.values())
    return stands and facts.tuned_at is not None and facts.tuned_at > newest


def _on_new(facts: AlarmFacts, new: Mapping[str, str], jobs: Jobs) -> RunDecision:
    verdict = last_verdict(facts.attempts)
    same = verdict is not None and verdict.digest == facts.digest
    if verdict is not None and same and verdict.end is not RunEnd.SUCCEEDED:
        what = f"Run {verdict.name} over the present files {verdict.end.value}"
        return RunDecision(None, f"{what}; first correct them.")
    if verdict is None or not same or verdict.started_at < facts.month:
        reason = "there are months that the model has not learned from"
        return RunDecision(jobs.refresh, f"{_text(new)}: {reason}.")
    follows = "and no job tunes the learners" if jobs.tune is None else "so its recipe is searched anew"
    return RunDecision(jobs.tune, f"{_text(new)}: a refit gives the same model, {follows}.")


def _text(alarms: Mapping[str, str]) -> str:
    return "; ".join(f"{check}: {text.rstrip('.')}" for check, text in sorted(alarms.items()))
