"""The truth table of the monthly schedule."""

from datetime import UTC, datetime

import pytest

from studio_pipeline.automation.decisions import Attempt, RunEnd, decide_monthly

NOW = datetime(2026, 3, 3, 6, tzinfo=UTC)
THIS_MONTH = datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
LAST_MONTH = datetime(2026, 2, 28, 23, 55, tzinfo=UTC)

TRUTH = {
    "never run": ([], True),
    "read before the month was over": ([(RunEnd.SUCCEEDED, "same", LAST_MONTH)], True),
    "read since the month was over": ([(RunEnd.SUCCEEDED, "same", THIS_MONTH)], False),
    "files changed since": ([(RunEnd.SUCCEEDED, "other", THIS_MONTH)], True),
    "read, changed and restored": ([(RunEnd.SUCCEEDED, at, THIS_MONTH) for at in ("other", "same")], True),
    "failed since": ([(RunEnd.FAILED, "same", THIS_MONTH)], True),
    "crowded out since": ([(RunEnd.CROWDED_OUT, "same", THIS_MONTH)], True),
    "queued or in progress": ([(RunEnd.UNFINISHED, "", THIS_MONTH)], False),
    "in progress since last month": ([(RunEnd.UNFINISHED, "same", LAST_MONTH)], False),
}


@pytest.mark.parametrize("case", TRUTH)
def test_truth_table(case: str) -> None:
    runs, asks = TRUTH[case]
    attempts = [Attempt(f"run-{i}", end, digest, at.timestamp()) for i, (end, digest, at) in enumerate(runs)]
    decision = decide_monthly(NOW, "same", attempts, "refresh")
    assert decision.job == ("refresh" if asks else None), decision.reason
    assert "March began" in decision.reason or "the month that is over" in decision.reason
    if not any(end is RunEnd.UNFINISHED for end, _, _ in runs):
        # A folder that can't be looked at is told by the run.
        assert decide_monthly(NOW, "", attempts, "refresh").job == "refresh"
