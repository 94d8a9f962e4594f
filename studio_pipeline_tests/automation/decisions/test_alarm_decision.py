"""The truth table of the sensor on drift and errors."""

import pytest

from studio_pipeline.automation.decisions import AlarmFacts, Attempt, Jobs, RunEnd, decide_alarm

MONTH = 1_000.0
AFTER, BEFORE = MONTH + 500, MONTH - 500
JOBS = Jobs("refresh", "tune")
DRIFT = {"no_drift": "retention is drifting"}
ERRORS = {"errors_as_promised": "errors of model 3 are too large"}
ACTED = frozenset(DRIFT.values())
READ = (RunEnd.SUCCEEDED, "now", AFTER)
UNREAD = (RunEnd.SUCCEEDED, "before", AFTER)

SEARCHED, TUNED = {"acted_on": ACTED}, {"tuned_at": AFTER + 1}
TRUTH = {
    "nothing new": ({}, [READ], {}, None, "No alarm stands."),
    "data only": ({}, [UNREAD], {}, None, "No alarm stands."),
    "drift only": (DRIFT, [READ], {}, "tune", "no_drift: retention is drifting: a refit gives the same"),
    "error only": (ERRORS, [READ], {}, "tune", "errors_as_promised: errors of model 3"),
    "drift and error": (DRIFT | ERRORS, [READ], {}, "tune", "errors of model 3 are too large; no_drift"),
    "both data and drift": (DRIFT, [UNREAD], {}, "refresh", "months that the model has not learned from"),
    "drift, and a month is over since": (DRIFT, [(RunEnd.SUCCEEDED, "now", BEFORE)], {}, "refresh", "months"),
    "drift without any run": (DRIFT, [], {}, "refresh", "months"),
    "already requested": (DRIFT, [READ], SEARCHED, None, "asked for already"),
    "one requested, one new": (DRIFT | ERRORS, [READ], SEARCHED, "tune", "errors_as_promised: "),
    "run in progress": (DRIFT, [(RunEnd.UNFINISHED, "now", AFTER), READ], {}, None, "queued or going on"),
    "tuning in progress": (DRIFT, [READ], {"tuning": True}, None, "queued or going on"),
    "last run failed on this content": (DRIFT, [(RunEnd.FAILED, "now", AFTER)], {}, None, "first correct"),
    "last run canceled": (DRIFT, [(RunEnd.CANCELED, "now", AFTER)], {}, None, "first correct"),
    "last run failed on other content": (DRIFT, [(RunEnd.FAILED, "before", AFTER)], {}, "refresh", "months"),
    "tuned since the last run": (DRIFT, [READ], SEARCHED | TUNED, "refresh", "recipe is to challenge the"),
    "tuned, and a run has used it": (DRIFT, [READ], SEARCHED | {"tuned_at": BEFORE}, None, "already"),
    "tuned over an alarm that ceased": (ERRORS, [READ], TUNED, "tune", "errors_as_promised"),
    "tuned, alarm ceased": ({}, [READ], TUNED, None, "No alarm stands."),
}


@pytest.mark.parametrize("case", TRUTH)
def test_truth_table(case: str) -> None:
    alarms, runs, more, job, reason = TRUTH[case]
    attempts = [Attempt(f"run-{i}", end, digest, at) for i, (end, digest, at) in enumerate(runs)]
    given = {"acted_on": frozenset(), "digest": "now", "month": MONTH} | more
    facts = AlarmFacts(alarms, attempts=attempts, **given)
    decision = decide_alarm(facts, JOBS)
    assert decision.job == job, decision.reason
    assert reason in decision.reason
    assert decision.reason.endswith(".")
