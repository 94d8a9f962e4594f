"""Decisions of the automation, free of Dagster: which job to ask for, or none, and the reason.

Nothing remembers what was asked for but the runs themselves, so neither a lost cursor nor a killed daemon
loses a file or asks twice, and an earlier content that is restored is a new one.

The same recipe on the same months gives the same model, so a refit is asked for only where there is something
that no run has learned from; else the recipe must change, and the new one challenges the old.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from studio_pipeline.panel.ingest.folder_scan import names_in_words


@dataclass(frozen=True)
class RunDecision:
    """Ask for a job, or for nothing.

    Attributes:
        job: its name; None to ask for nothing.
        reason: one sentence; it stands on the run, or beside the tick that asked for none.
    """

    job: str | None
    reason: str


class RunEnd(Enum):
    """How a run stands, as far as it matters to whoever may ask for the next."""

    UNFINISHED = "unfinished"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """By itself: an error, or a check that stopped it. The same content would fail again."""
    CANCELED = "canceled"
    CROWDED_OUT = "crowded out"
    """Another run held the lock of STUDIO_HOME; nothing was read."""
    INTERRUPTED = "interrupted"
    """Its process was killed, or never began."""


@dataclass(frozen=True)
class Attempt:
    """A run of the whole graph, or one that was asked for.

    Attributes:
        run_id: the Dagster run.
        end: how it stands.
        digest: the content of the landing folder that it read; where it did not get so far, the one that it
            was asked for; "" where nothing tells.
        started_at: seconds since 1970; when it was asked for, where it has not begun.
        ended_at: seconds since 1970; None as long as it has not ended.
    """

    run_id: str
    end: RunEnd
    digest: str
    started_at: float
    ended_at: float | None = None

    @property
    def name(self) -> str:
        """As the web UI shortens a run's id."""
        return self.run_id[:8]


def unfinished(attempts: Sequence[Attempt]) -> Attempt | None:
    """One that is queued or going on, if any."""
    return next((attempt for attempt in attempts if attempt.end is RunEnd.UNFINISHED), None)


RETRIED = (RunEnd.CROWDED_OUT, RunEnd.INTERRUPTED)
"""Ends that say nothing about the content: the run is asked for again."""


def last_verdict(attempts: Sequence[Attempt]) -> Attempt | None:
    """The newest run that says something about a content of the landing folder: it read it, or failed on it.

    Args:
        attempts: newest first.
    """
    return next((a for a in attempts if a.digest and a.end not in (*RETRIED, RunEnd.UNFINISHED)), None)


def tries_since(attempts: Sequence[Attempt], verdict: Attempt | None, digest: str) -> Iterator[Attempt]:
    """Runs for a content that came to nothing since `verdict`, newest first."""
    for attempt in attempts:
        if attempt is verdict:
            return
        if attempt.digest == digest and attempt.end in RETRIED:
            yield attempt


RETRY_SECONDS = 30.0
"""How long after a run that came to nothing the next try waits."""

MOST_TRIES = 3
"""Runs that are killed over the same content before it is left to a person: it may be what kills them."""


@dataclass(frozen=True)
class LandingFacts:
    """What is known at one look.

    Attributes:
        digest: of what the folder holds; it means nothing where files are unsettled.
        files: how many data files and maps it holds.
        changes: what is new, changed or removed since the last content that a run read, in words; may be "".
        unsettled: files that may still be being written.
        temporary: files that no run reads until they are renamed.
        fault: why the folder can't be looked at; "" where it can.
        attempts: runs of the whole graph, newest first.
        now: seconds since 1970.
    """

    digest: str
    files: int
    attempts: Sequence[Attempt]
    now: float
    changes: str = ""
    unsettled: Sequence[str] = ()
    temporary: Sequence[str] = ()
    fault: str = ""


def decide_landing(facts: LandingFacts, job: str) -> RunDecision:
    """Ask for `job` where the folder has settled on a content that no run has read, and no run is going on.

    Args:
        facts: what is known.
        job: the one that reads the folder.
    """
    if facts.fault:
        return RunDecision(None, facts.fault)
    if facts.unsettled:
        return RunDecision(None, f"Still being written: {names_in_words(facts.unsettled)}.")
    if not facts.files:
        return RunDecision(None, f"The landing folder is empty.{_temporary(facts)}")
    if running := unfinished(facts.attempts):
        return RunDecision(
            None, f"Run {running.name} is queued or going on; what it leaves unread comes next."
        )
    verdict = last_verdict(facts.attempts)
    if verdict is not None and verdict.digest == facts.digest:
        return RunDecision(None, _known(verdict) + _temporary(facts))
    return _ask(facts, job, [*tries_since(facts.attempts, verdict, facts.digest)])


def _known(verdict: Attempt) -> str:
    if verdict.end is RunEnd.SUCCEEDED:
        return f"Nothing new: run {verdict.name} has read what is there."
    if verdict.end is RunEnd.CANCELED:
        return f"Run {verdict.name} over these files was canceled; launch one by hand, or change them."
    return f"Run {verdict.name} failed over these files; correct them, or launch one by hand."


def _ask(facts: LandingFacts, job: str, tries: Sequence[Attempt]) -> RunDecision:
    """Ask for what no run has read yet; `tries` came to nothing."""
    what = facts.changes or "content that no run has read"
    if not tries:
        return RunDecision(job, f"The landing folder changed: {what}.")
    last = tries[0]
    killed = [attempt for attempt in tries if attempt.end is RunEnd.INTERRUPTED]
    if len(killed) >= MOST_TRIES:
        return RunDecision(
            None, f"{len(killed)} runs over these files were killed; find out why, then launch one by hand."
        )
    wait = RETRY_SECONDS - (facts.now - (last.ended_at or last.started_at))
    if wait > 0:
        return RunDecision(None, f"Run {last.name} was {last.end.value}; the next try comes in {wait:.0f} s.")
    return RunDecision(job, f"Run {last.name} was {last.end.value}, and these are unread: {what}.")


def _temporary(facts: LandingFacts) -> str:
    names = facts.temporary
    return f" Not read until renamed: {names_in_words(names)}." if names else ""


def decide_monthly(now: datetime, digest: str, attempts: Sequence[Attempt], job: str) -> RunDecision:
    """Ask for `job` unless a run has done so already since the month began, or is about to.

    A run of this month that read what the folder holds has seen the whole month before: it would be repeated.
    One that failed is tried again: once a month is seldom enough, and the cause may be gone.

    Args:
        now: with a time zone.
        digest: of what the landing folder holds; "" where it can't be looked at.
        attempts: runs of the whole graph, newest first.
        job: the one that reads the folder.
    """
    begun = datetime(now.year, now.month, 1, tzinfo=UTC)
    if running := unfinished(attempts):
        return RunDecision(
            None, f"Run {running.name} is queued or going on, and reads the month that is over."
        )
    done = [a for a in attempts if a.end is RunEnd.SUCCEEDED and a.started_at >= begun.timestamp()]
    newest = next((a for a in done if a.digest), None)
    if newest is not None and newest.digest == digest:
        return RunDecision(None, f"Run {newest.name} has read the same files since {begun:%B} began.")
    return RunDecision(job, f"Monthly refresh: no run has read these files since {begun:%B} began.")


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


def decide_alarm(facts: AlarmFacts, jobs: Jobs) -> RunDecision:
    """Ask for the job that can change what a new alarm complains of."""
    new = {check: text for check, text in facts.alarms.items() if text not in facts.acted_on}
    if not facts.alarms:
        return RunDecision(None, "No alarm stands.")
    if facts.tuning:
        return RunDecision(None, "A search for better hyperparameters is queued or going on.")
    if running := unfinished(facts.attempts):
        return RunDecision(
            None, f"Run {running.name} is queued or going on; its checks are judged when it ends."
        )
    if _awaits_challenge(facts):
        return RunDecision(jobs.refresh, f"{_told(facts.alarms)}: the tuned recipe is to challenge the old.")
    if not new:
        return RunDecision(None, f"A run was asked for already over: {_told(facts.alarms)}.")
    return _on_new(facts, new, jobs)


def _awaits_challenge(facts: AlarmFacts) -> bool:
    """Whether hyperparameters were tuned over an alarm that stands, and no run has used them since."""
    newest = max((attempt.started_at for attempt in facts.attempts), default=0.0)
    stands = any(text in facts.acted_on for text in facts.alarms.values())
    return stands and facts.tuned_at is not None and facts.tuned_at > newest


def _on_new(facts: AlarmFacts, new: Mapping[str, str], jobs: Jobs) -> RunDecision:
    verdict = last_verdict(facts.attempts)
    same = verdict is not None and verdict.digest == facts.digest
    if verdict is not None and same and verdict.end is not RunEnd.SUCCEEDED:
        return RunDecision(
            None, f"Run {verdict.name} over the present files {verdict.end.value}; first correct them."
        )
    if verdict is None or not same or verdict.started_at < facts.month:
        return RunDecision(
            jobs.refresh, f"{_told(new)}: there are months that the model has not learned from."
        )
    if jobs.tune is None:
        return RunDecision(
            None, f"{_told(new)}: a refit gives the same model, and no job tunes the learners."
        )
    return RunDecision(
        jobs.tune, f"{_told(new)}: a refit gives the same model, so its recipe is searched anew."
    )


def _told(alarms: Mapping[str, str]) -> str:
    return "; ".join(f"{check}: {text.rstrip('.')}" for check, text in sorted(alarms.items()))
