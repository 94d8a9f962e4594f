"""The log of predictions: it never holds an answer up, and at the end everything is somewhere."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from logged_predictions import entry
from processes import wait_until

from serving.storage import prediction_log
from serving.storage.prediction_log import PredictionLog
from serving.storage.prediction_spool import PredictionSpool
from serving.storage.predictions import LoggedPrediction
from studio_pipeline.errors import DatabaseError, InputError


class FakeStore:
    """Keeps what it is given; it can be away, or hang, or be broken."""

    def __init__(self) -> None:
        self.kept: dict[str, LoggedPrediction] = {}
        self.is_away = False
        self.is_broken = False
        self.answers = threading.Event()
        self.answers.set()
        self.pruned: list[datetime] = []

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        self.answers.wait()
        if self.is_away:
            raise DatabaseError("It is away.")
        if self.is_broken and entries:
            raise ZeroDivisionError("a bug")
        if any(one.studio_id == "bad" for one in entries):
            raise InputError("It can't be kept.")
        self.kept.update({one.id: one for one in entries})

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        if self.is_away:
            raise DatabaseError("It is away.")
        return self.kept.get(prediction_id)

    def prune(self, before: datetime) -> int:
        self.pruned.append(before)
        return 1 if len(self.pruned) < 3 else 0


@pytest.fixture(autouse=True)
def retried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "RETRY_SECONDS", 0.05)


@pytest.fixture
def store() -> Iterator[FakeStore]:
    store = FakeStore()
    yield store
    store.answers.set()


@pytest.fixture
def log(store: FakeStore, tmp_path: Path) -> Iterator[PredictionLog]:
    log = log_of(store, tmp_path)
    yield log
    log.close()


def log_of(store: FakeStore, folder: Path, retention_days: int = 0) -> PredictionLog:
    log = PredictionLog(store, PredictionSpool(folder), retention_days)
    log.start()
    return log


def test_entries_are_written_in_the_background_and_always_found(store: FakeStore, log: PredictionLog) -> None:
    store.answers.clear()
    entries = [entry() for _ in range(1000)]
    for one in entries:
        log.add(one)
        assert log.find(one.id) is one
    assert log.queue_length == 1000
    store.answers.set()
    assert log.flush(10)
    assert list(store.kept.values()) == entries
    assert log.find(entries[3].id) == entries[3]
    assert (log.queue_length, log.spool_length, log.counters["written"]) == (0, 0, 1000)


def test_an_entry_of_another_process_is_waited_for(store: FakeStore, log: PredictionLog) -> None:
    late = entry()
    timer = threading.Timer(0.3, store.write, [[late]])
    timer.start()
    assert log.find(late.id) == late
    assert log.find("nobody's") is None
    timer.join()


def test_many_threads_lose_nothing(store: FakeStore, log: PredictionLog) -> None:
    entries = [entry() for _ in range(2000)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(log.add, entries))
    assert log.flush(10)
    assert set(store.kept) == {one.id for one in entries}


def test_closing_writes_what_is_left_or_spools_it_for_the_next(store: FakeStore, tmp_path: Path) -> None:
    store.answers.clear()
    log, entries = log_of(store, tmp_path), [entry() for _ in range(10)]
    log.add(entries[0])
    wait_until(lambda: bool(log._in_progress))
    for one in entries[1:]:
        log.add(one)
    log.close(seconds=0.1)
    later = log_of(other := FakeStore(), tmp_path)
    wait_until(lambda: list(other.kept.values()) == entries)
    later.add(last := entry())
    later.close()
    assert list(other.kept.values()) == [*entries, last]
    assert list(tmp_path.iterdir()) == []


def test_a_full_queue_drops_some(store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.answers.clear()
    one = entry()
    monkeypatch.setattr(prediction_log, "MAX_QUEUED_BYTES", 10 * len(one.inputs + one.outputs))
    log = PredictionLog(store, PredictionSpool(tmp_path))
    for _ in range(25):
        log.add(entry())
    assert (log.queue_length, log.counters["dropped"]) == (10, 15)
    store.answers.set()
    log.start()
    assert log.flush(10)
    log.add(one)
    assert log.flush(10)
    assert len(store.kept) == 11
    log.close()


def test_a_bug_costs_one_batch_and_is_told(
    store: FakeStore, log: PredictionLog, caplog: pytest.LogCaptureFixture
) -> None:
    store.is_broken = True
    log.add(entry())
    wait_until(lambda: log.counters["dropped"] == 1)
    assert "ZeroDivisionError: a bug" in caplog.text
    store.is_broken, store.is_away = False, True
    log.add(entry(studio_id="\ud800"))
    # What is no JSON can't be spooled.
    wait_until(lambda: log.counters["dropped"] == 2)
    store.is_away = False
    log.add(kept := entry())
    assert log.flush(10)
    assert list(store.kept) == [kept.id]


def test_old_entries_are_pruned_until_none_is_left_where_there_is_a_retention(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "FLUSH_SECONDS", 0.01)
    log, without = log_of(store, tmp_path / "one", retention_days=30), log_of(FakeStore(), tmp_path / "other")
    wait_until(lambda: len(store.pruned) == 3)
    time.sleep(0.1)
    log.close()
    without.close()
    assert (len(store.pruned), without._store.pruned) == (3, [])
    age = datetime.now(UTC) - store.pruned[0]
    assert timedelta(days=30) <= age < timedelta(days=30, minutes=1)


def test_what_comes_while_the_database_is_away_is_found_and_follows_in_order_but_for_what_it_refuses(
    store: FakeStore, log: PredictionLog
) -> None:
    entries = [entry("bad" if number in (3, 17) else "good") for number in range(40)]
    log.add(entries[0])
    assert log.flush(10)
    store.is_away = True
    for one in entries[1:20]:
        log.add(one)
    wait_until(lambda: log.spool_length == 19)
    assert log.find(entries[7].id) == entries[7]
    with pytest.raises(DatabaseError):
        log.find(entry().id)
    store.is_away = False
    for one in entries[20:]:
        log.add(one)
    assert log.flush(10)
    assert list(store.kept.values()) == [one for one in entries if one.studio_id == "good"]
    assert (log.counters["written"], log.counters["dropped"]) == (38, 2)


def test_what_finds_no_room_in_the_spool_is_counted(store: FakeStore, tmp_path: Path) -> None:
    log = PredictionLog(store, PredictionSpool(tmp_path, max_bytes=200_000))
    log.start()
    store.is_away = True
    for _ in range(1000):
        log.add(entry())
    wait_until(lambda: log.counters["spooled"] + log.counters["dropped"] == 1000)
    assert log.counters["spooled"] > 50
    assert log.counters["dropped"] > 50
    store.is_away = False
    assert log.flush(10)
    assert len(store.kept) == log.counters["spooled"]
    log.close()


def test_a_disk_that_refuses_costs_entries_and_nothing_else(
    store: FakeStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    log = log_of(store, tmp_path / "file" / "spool")
    store.is_away = True
    for dropped in (1, 2):
        log.add(entry())
        wait_until(lambda dropped=dropped: log.counters["dropped"] == dropped)
    assert log.counters == {"written": 0, "spooled": 0, "dropped": 2}
    assert caplog.text.count("can't be spooled: ") == 1
    store.is_away = False
    log.add(entry())
    assert log.flush(10)
    log.close()
