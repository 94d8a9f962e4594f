"""The truth table of the landing sensor: what is there, what runs have read, and how they ended."""

from dataclasses import replace

import pytest

from studio_pipeline.automation.decisions import (
    MOST_TRIES,
    RETRY_SECONDS,
    Attempt,
    LandingFacts,
    RunEnd,
    decide_landing,
)

NOW = 10_000.0
LONG_AGO = NOW - 10 * RETRY_SECONDS
FAILED, SUCCEEDED, CANCELED = RunEnd.FAILED, RunEnd.SUCCEEDED, RunEnd.CANCELED
CROWDED_OUT, INTERRUPTED, UNFINISHED = RunEnd.CROWDED_OUT, RunEnd.INTERRUPTED, RunEnd.UNFINISHED


def attempts(*ends: tuple[RunEnd, str], ended: float = LONG_AGO) -> list[Attempt]:
    """Newest first."""
    return [
        Attempt(f"{number:08d}-run", end, digest, ended - number - 1, None if end is UNFINISHED else ended)
        for number, (end, digest) in enumerate(ends)
    ]


PART = {"temporary": ["b.part"]}
CROWDED = "Run 00000000 was crowded out, and these are unread: new: b.csv."
# What the folder holds is "new"; what was there before is "old".
TRUTH = {
    "nothing new": ([(SUCCEEDED, "new")], {}, False, "Nothing new: run 00000000 has read"),
    "data only": ([(SUCCEEDED, "old")], {}, True, "The landing folder changed: new: b.csv."),
    "first files ever": ([], {}, True, "The landing folder changed"),
    "first run of this version": ([(SUCCEEDED, "")], {}, True, "The landing folder changed"),
    "already requested": ([(UNFINISHED, "new"), (SUCCEEDED, "old")], {}, False, "queued or going on"),
    "run in progress over older files": ([(UNFINISHED, "old")], {}, False, "what it leaves unread comes"),
    "run in progress that nothing tells of": ([(UNFINISHED, "")], {}, False, "queued or going on"),
    "half-written": ([(SUCCEEDED, "old")], {"unsettled": ["b.csv"]}, False, "Still being written: b.csv."),
    "temporary name beside nothing new": ([(SUCCEEDED, "new")], PART, False, "until renamed: b.part."),
    "temporary name beside a new file": ([(SUCCEEDED, "old")], PART, True, "changed"),
    "last run failed on this content": ([(FAILED, "new"), (SUCCEEDED, "old")], {}, False, "correct them"),
    "corrected after a failure": ([(FAILED, "poison"), (SUCCEEDED, "old")], {}, True, "changed"),
    "canceled by a person": ([(CANCELED, "new"), (SUCCEEDED, "old")], {}, False, "was canceled"),
    "restored content": ([(SUCCEEDED, "other"), (SUCCEEDED, "new")], {}, True, "changed"),
    "restored after a failure": ([(FAILED, "poison"), (SUCCEEDED, "new")], {}, True, "changed"),
    "file removed": ([(SUCCEEDED, "old")], {"changes": "removed: a.csv"}, True, "changed: removed: a.csv."),
    "all files removed": ([(SUCCEEDED, "old")], {"files": 0}, False, "The landing folder is empty."),
    "unreadable folder": ([(SUCCEEDED, "old")], {"fault": "/l: is shut."}, False, "/l: is shut."),
    "lost the race for the lock": ([(CROWDED_OUT, "new"), (SUCCEEDED, "old")], {}, True, CROWDED),
    "lost to one that read it": ([(SUCCEEDED, "new"), (CROWDED_OUT, "new")], {}, False, "Nothing new"),
    "lost the race, read before": ([(CROWDED_OUT, "new"), (SUCCEEDED, "new")], {}, False, "Nothing new"),
    "a schedule lost the race": ([(CROWDED_OUT, ""), (SUCCEEDED, "new")], {}, False, "Nothing new"),
    "a schedule failed before it read": ([(FAILED, ""), (SUCCEEDED, "new")], {}, False, "Nothing new"),
    "killed": ([(INTERRUPTED, "new"), (SUCCEEDED, "old")], {}, True, "was interrupted"),
    "killed over other files": ([(INTERRUPTED, "poison"), (SUCCEEDED, "new")], {}, False, "Nothing new"),
    "killed again and again": ([(INTERRUPTED, "new")] * MOST_TRIES, {}, False, "3 runs over these files"),
    "crowded out again and again": ([(CROWDED_OUT, "new")] * MOST_TRIES, {}, True, "was crowded out"),
    "changed while it was read": ([(SUCCEEDED, ""), (SUCCEEDED, "old")], {}, True, "changed"),
}


@pytest.mark.parametrize("case", TRUTH)
def test_truth_table(case: str) -> None:
    runs, facts, asks, reason = TRUTH[case]
    known = LandingFacts("new", 2, attempts(*runs), NOW, changes="new: b.csv")
    decision = decide_landing(replace(known, **facts), "refresh")
    assert decision.job == ("refresh" if asks else None), decision.reason
    assert reason in decision.reason
    assert decision.reason.endswith(".")


@pytest.mark.parametrize("end", [CROWDED_OUT, INTERRUPTED])
def test_a_new_try_waits_a_little(end: RunEnd) -> None:
    just_now = attempts((end, "new"), ended=NOW - 1)
    known = LandingFacts("new", 1, just_now, NOW)
    decision = decide_landing(known, "refresh")
    assert decision.job is None
    assert f"the next try comes in {RETRY_SECONDS - 1:.0f} s" in decision.reason
    later = decide_landing(replace(known, now=NOW + RETRY_SECONDS), "refresh")
    assert later.job == "refresh"
