"""What every automation decides: which job to ask for, or none, and the reason in one sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Decision:
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
