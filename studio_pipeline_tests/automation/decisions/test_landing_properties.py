"""Whatever the order of writes, looks and ends of runs: content that stays is read, and asked for once."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from studio_pipeline.automation.decisions import (
    MOST_TRIES,
    RETRIED,
    RETRY_SECONDS,
    Attempt,
    LandingFacts,
    RunEnd,
    decide_landing,
)
from studio_pipeline.panel.ingest.folder_scan import FolderSnapshot, landing_digest, look_at

NAMES = st.sampled_from(["a.csv", "b.csv", "a.columns.yaml", "c.csv.part"])
CONTENTS = st.sampled_from(["one", "two", "three"])
AGES = st.sampled_from([-3600.0, 0.0, 1.0, 60.0])
LOOK_SECONDS = 5.0


class LandingMachine(RuleBasedStateMachine):
    """A folder, a clock, a queue of one run, and people who write, run and kill."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name)
        self.now = 1_700_000_000.0
        self.look_before = FolderSnapshot()
        self.attempts: list[Attempt] = []
        self.begun = False
        self.asked: list[str] = []

    @rule(name=NAMES, content=CONTENTS, age=AGES)
    def write(self, name: str, content: str, age: float) -> None:
        path = self.folder / name
        path.write_text(content)
        os.utime(path, (self.now - age, self.now - age))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    @rule(seconds=st.sampled_from([1.0, LOOK_SECONDS, RETRY_SECONDS]))
    def look(self, seconds: float) -> None:
        self.now += seconds
        self.look_before = look_at(self.folder, self.look_before, self.now)
        seen = self.look_before
        facts = LandingFacts(seen.digest, len(seen.files), self.attempts, self.now, unsettled=seen.unsettled)
        decision = decide_landing(facts, "refresh")
        if decision.job is None:
            return
        assert self.newest_end() is not RunEnd.UNFINISHED, "one at a time"
        assert facts.digest == landing_digest(self.folder), "a half-written file is never asked for"
        read = [a for a in self.attempts if a.end not in RETRIED and a.digest]
        assert not read or read[0].digest != facts.digest, "what was read is not asked for again"
        self.asked.append(facts.digest)
        self.attempts.insert(0, Attempt("asked-for", RunEnd.UNFINISHED, facts.digest, self.now))
        self.begun = False

    def newest_end(self) -> RunEnd | None:
        return self.attempts[0].end if self.attempts else None

    @precondition(lambda self: self.newest_end() is RunEnd.UNFINISHED)
    @rule()
    def run_reads(self) -> None:
        self.begun = True
        self.attempts[0] = replace(self.attempts[0], digest=landing_digest(self.folder))

    @precondition(lambda self: self.newest_end() is RunEnd.UNFINISHED)
    @rule(end=st.sampled_from([RunEnd.SUCCEEDED, RunEnd.FAILED, RunEnd.INTERRUPTED, RunEnd.CROWDED_OUT]))
    def run_ends(self, end: RunEnd) -> None:
        if end is RunEnd.SUCCEEDED and not self.begun:
            self.run_reads()
        self.now += 1
        self.attempts[0] = replace(self.attempts[0], end=end, ended_at=self.now)

    @precondition(lambda self: self.newest_end() is not RunEnd.UNFINISHED)
    @rule()
    def run_by_hand(self) -> None:
        self.now += 1
        digest = landing_digest(self.folder)
        self.attempts.insert(0, Attempt("by-hand", RunEnd.SUCCEEDED, digest, self.now, self.now))

    @rule()
    def forget(self) -> None:
        self.look_before = FolderSnapshot()

    @invariant()
    def never_two_at_once(self) -> None:
        assert sum(attempt.end is RunEnd.UNFINISHED for attempt in self.attempts) <= 1

    def teardown(self) -> None:
        """Nothing more is written: what is there is read, by at most one more run that ends well."""
        wanted, asked_before = landing_digest(self.folder), len(self.asked)
        going_on = self.newest_end() is RunEnd.UNFINISHED
        for _ in range(10):
            if self.newest_end() is RunEnd.UNFINISHED:
                self.run_ends(RunEnd.SUCCEEDED)
            self.look(LOOK_SECONDS if self.newest_end() is not RunEnd.CROWDED_OUT else RETRY_SECONDS)
        verdicts = [a for a in self.attempts if a.end not in RETRIED and a.digest]
        killed = sum(a.end is RunEnd.INTERRUPTED and a.digest == wanted for a in self.attempts)
        files = look_at(self.folder, FolderSnapshot(), self.now).files
        if files and killed < MOST_TRIES:
            assert verdicts, "some run has judged what is there"
            assert verdicts[0].digest == wanted, "and it was the content that stayed"
        assert len(self.asked) - asked_before <= 1, (going_on, self.attempts)
        self.place.cleanup()


LandingMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestLanding = LandingMachine.TestCase
