"""Whether the month's turn asks for a run although no file changed: the month held back until now is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from studio_pipeline.automation.decision import Attempt, Decision, RunEnd, unfinished


def decide_monthly(now: datetime, digest: str, attempts: Sequence[Attempt], job: str) -> Decision:
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
        return Decision(None, f"Run {running.name} is queued or going on, and reads the month that is over.")
    done = [a for a in attempts if a.end is RunEnd.SUCCEEDED and a.started_at >= begun.timestamp()]
    newest = next((a for a in done if a.digest), None)
    if newest is not None and newest.digest == digest:
        return Decision(None, f"Run {newest.name} has read the same files since {begun:%B} began.")
    return Decision(job, f"Monthly refresh: no run has read these files since {begun:%B} began.")
