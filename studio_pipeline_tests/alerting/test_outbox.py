"""Nothing is lost or doubled, whatever is away or killed, and each channel hears it in order."""

import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.alerting.conditions import Message, Observation
from studio_pipeline.alerting.delivery import LONGEST_WAIT, deliver, wait_after
from studio_pipeline.alerting.outbox import Outbox, Report
from studio_pipeline.errors import ChannelError, StorageError

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
CHANNELS = ["log", "webhook"]


class FakeChannel:
    def __init__(self, name: str) -> None:
        self.name, self.is_down, self.taken = name, False, list[Message]()

    def send(self, message: Message, number: int) -> None:
        if self.is_down:
            raise ChannelError("It is down.", "Mend it.")
        self.taken.append(message)

    def titles(self) -> list[str]:
        return [message.title for message in self.taken if "channel" not in message.title]


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


def observation(failing: bool, key: str = "k") -> Observation:
    return Observation(key, key, failing, Message("error", f"{key} failed."))


def test_a_source_is_taken_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    report = Report("run:1", [observation(True)], marks={"m": "1"})
    assert outbox.take(report, CHANNELS, START)
    assert not Outbox(tmp_path).take(report, CHANNELS, START)
    assert outbox.waiting() == {"log": 1, "webhook": 1}
    assert (outbox.mark("m"), outbox.mark("other")) == ("1", None)
    assert outbox.has_taken(["run:1", "run:2"]) == {"run:1"}


def test_a_crash_in_the_middle_of_a_report_takes_nothing(tmp_path: Path) -> None:
    def breaking():
        yield observation(True)
        raise KeyboardInterrupt

    outbox = Outbox(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        outbox.take(Report("run:1", breaking(), marks={"m": "1"}), CHANNELS, START)
    assert (outbox.waiting(), outbox.open_conditions(), outbox.mark("m")) == ({}, [], None)
    assert outbox.take(Report("run:1", [observation(True)]), CHANNELS, START)
    assert outbox.waiting() == {"log": 1, "webhook": 1}


def test_a_channel_that_is_down_for_an_hour_loses_nothing(tmp_path: Path) -> None:
    outbox, clock = Outbox(tmp_path), Clock()
    log, webhook = FakeChannel("log"), FakeChannel("webhook")
    webhook.is_down, attempts = True, 0
    for step in range(720):
        if step % 60 == 0:
            outbox.take(Report(f"run:{step}", messages=[Message("error", f"m{step}")]), CHANNELS, clock())
        attempts += len(deliver(outbox, [log, webhook], clock))
        clock.now += timedelta(seconds=5)
    assert 10 <= attempts <= 25
    assert outbox.outages()["webhook"].since == START
    assert outbox.waiting()["webhook"] == 12
    webhook.is_down = False
    clock.now += LONGEST_WAIT
    for _ in range(3):
        deliver(outbox, [log, webhook], clock)
    expected = [f"m{step}" for step in range(0, 720, 60)]
    assert log.titles() == webhook.titles() == expected
    assert (outbox.waiting(), outbox.outages()) == ({}, {})
    about = [message.title for message in log.taken if "channel" in message.title]
    assert about == [
        "The channel webhook does not take alerts.",
        "Well again: the channel webhook of alerts.",
    ]


def test_a_hiccup_is_no_news_to_the_others(tmp_path: Path) -> None:
    outbox, clock, log, webhook = Outbox(tmp_path), Clock(), FakeChannel("log"), FakeChannel("webhook")
    outbox.take(Report(messages=[Message("error", "m")]), CHANNELS, clock())
    webhook.is_down = True
    assert deliver(outbox, [log, webhook], clock) == ["webhook: It is down. Mend it."]
    webhook.is_down, clock.now = False, START + timedelta(seconds=10)
    assert deliver(outbox, [log, webhook], clock) == []
    assert [message.title for message in log.taken] == ["m"]
    assert webhook.titles() == ["m"]


def test_waits_double_up_to_five_minutes() -> None:
    seconds = [wait_after(attempts).total_seconds() for attempts in (1, 2, 3, 5, 6, 7, 1000)]
    assert seconds == [10, 20, 40, 160, 300, 300, 300]


STEPS = st.one_of(
    st.tuples(st.just("see"), st.sampled_from("xy"), st.booleans()),
    st.tuples(st.just("down"), st.sampled_from(CHANNELS), st.booleans()),
    st.tuples(st.just("deliver"), st.just(""), st.booleans()),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_any_sequence_of_failures_and_outages_is_told_once_and_in_order(steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outbox, clock = Outbox(Path(folder)), Clock()
        channels = {name: FakeChannel(name) for name in CHANNELS}
        expected, failing = list[str](), defaultdict[str, bool](bool)
        for number, (action, name, flag) in enumerate(steps):
            clock.now += timedelta(seconds=1)
            if action == "see":
                # Whoever was killed after the commit comes with the same source again.
                for _ in range(2):
                    outbox.take(Report(f"run:{number}", [observation(flag, name)]), CHANNELS, clock())
                if flag != failing[name]:
                    expected.append(f"{name} failed." if flag else f"Well again: {name}.")
                failing[name] = flag
            elif action == "down":
                channels[name].is_down = flag
            else:
                deliver(Outbox(Path(folder)), list(channels.values()), clock)
        for channel in channels.values():
            channel.is_down = False
        for _ in range(8):
            clock.now += LONGEST_WAIT
            deliver(outbox, list(channels.values()), clock)
        assert all(channel.titles() == expected for channel in channels.values())
        open_keys = {c.key for c in outbox.open_conditions() if not c.key.startswith("channel:")}
        assert open_keys == {name for name, is_failing in failing.items() if is_failing}


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from studio_pipeline.alerting.conditions import Message
from studio_pipeline.alerting.outbox import Outbox, Report
outbox = Outbox(Path(sys.argv[1]))
for number in range(100_000):
    report = Report(f"run:{number}", messages=[Message("error", str(number))], marks={"last": str(number)})
    if outbox.take(report, ["log"], datetime.now(UTC)):
        print(number, flush=True)
"""


def test_a_kill_leaves_whole_reports(tmp_path: Path) -> None:
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            assert writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
    outbox = Outbox(tmp_path)
    count = outbox.waiting()["log"]
    assert outbox.mark("last") == str(count - 1)
    sources = [f"run:{number}" for number in range(count + 1)]
    assert outbox.has_taken(sources) == set(sources[:-1])


def test_old_entries_go_and_what_waits_stays(tmp_path: Path) -> None:
    outbox, late = Outbox(tmp_path), START + timedelta(days=41)
    outbox.take(Report("run:1", messages=[Message("error", "m")]), [*CHANNELS, "gone"], START)
    outbox.delivered("log", 1)
    outbox.prune(CHANNELS, late)
    assert outbox.waiting() == {"webhook": 1}
    assert outbox.has_taken(["run:1"]) == set()
    outbox.delivered("webhook", 1)
    outbox.take(Report(messages=[Message("error", "new")]), ["gone"], late)
    outbox.prune(CHANNELS, late)
    assert outbox.waiting() == {"gone": 1}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match="outbox of alerts"):
        Outbox(tmp_path).waiting()
