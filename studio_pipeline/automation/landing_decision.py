"""Whether the landing folder asks for a run: by what is in it, what runs have read of it, and how they ended.

Nothing remembers what was asked for but the runs themselves, so neither a lost cursor nor a killed daemon
loses a file or asks twice, and an earlier content that is restored is a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio_pipeline.automation.decision import (
    Attempt,
    Decision,
    RunEnd,
    last_verdict,
    tries_since,
    unfinished,
)
from studio_pipeline.panel.landing_looks import names_in_words

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


def decide_landing(facts: LandingFacts, job: str) -> Decision:
    """Ask for `job` where the folder has settled on a content that no run has read, and no run is going on.

    Args:
        facts: what is known.
        job: the one that reads the folder.
    """
    if facts.fault:
        return Decision(None, facts.fault)
    if facts.unsettled:
        return Decision(None, f"Still being written: {names_in_words(facts.unsettled)}.")
    if not facts.files:
        return Decision(None, f"The landing folder is empty.{_temporary(facts)}")
    if running := unfinished(facts.attempts):
        return Decision(None, f"Run {running.name} is queued or going on; what it leaves unread comes next.")
    verdict = last_verdict(facts.attempts)
    if verdict is not None and verdict.digest == facts.digest:
        return Decision(None, _known(verdict) + _temporary(facts))
    return _ask(facts, job, [*tries_since(facts.attempts, verdict, facts.digest)])


def _known(verdict: Attempt) -> str:
    if verdict.end is RunEnd.SUCCEEDED:
        return f"Nothing new: run {verdict.name} has read what is there."
    if verdict.end is RunEnd.CANCELED:
        return f"Run {verdict.name} over these files was canceled; launch one by hand, or change them."
    return f"Run {verdict.name} failed over these files; correct them, or launch one by hand."


def _ask(facts: LandingFacts, job: str, tries: Sequence[Attempt]) -> Decision:
    """Ask for what no run has read yet; `tries` came to nothing."""
    what = facts.changes or "content that no run has read"
    if not tries:
        return Decision(job, f"The landing folder changed: {what}.")
    last = tries[0]
    killed = [attempt for attempt in tries if attempt.end is RunEnd.INTERRUPTED]
    if len(killed) >= MOST_TRIES:
        return Decision(
            None, f"{len(killed)} runs over these files were killed; find out why, then launch one by hand."
        )
    wait = RETRY_SECONDS - (facts.now - (last.ended_at or last.started_at))
    if wait > 0:
        return Decision(None, f"Run {last.name} was {last.end.value}; the next try comes in {wait:.0f} s.")
    return Decision(job, f"Run {last.name} was {last.end.value}, and these are unread: {what}.")


def _temporary(facts: LandingFacts) -> str:
    names = facts.temporary
    return f" Not read until renamed: {names_in_words(names)}." if names else ""
