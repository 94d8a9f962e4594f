"""The log of predictions: it never holds an answer up, and at the end everything is somewhere."""

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from logged_predictions import entry
from processes import wait_until

from serving.records import prediction_log
from serving.records.logged_prediction import LoggedPrediction
from serving.records.prediction_log import PredictionLog
from serving.records.prediction_spool import PredictionSpool
from studio_pipeline.errors import DatabaseError


class FakeStore:
    """Keeps what it is given; it can be away, or hang, or be broken."""

    def __init__(self) -> None:
        self.kept: dict[str, LoggedPrediction] = {}
        self.is_away = False
        self.is_broken = False
        self.answers = threading.Event()
        self.answers.set()
        self.pruned: list[datetime] = []
        self.writers: list[str] = []

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        self.answers.wait()
        if self.is_away:
            raise DatabaseError("It is away.")
        if self.is_broken and entries:
            raise ZeroDivisionError("a bug")
        self.meanwhile()
        self.writers.append(threading.current_thread().name)
        self.kept.update({one.id: one for one in entries})

    def meanwhile(self) -> None:
        """What happens while it writes."""

    def find(self, prediction_id: str) -> LoggedPrediction | None:
        if self.is_away:
            raise DatabaseError("It is away.")
        return self.kept.get(prediction_id)

    def prune(self, before: datetime) -> int:
        self.pruned.append(before)
        return 1 if len(self.pruned) < 3 else 0


@pytest.fixture
def store() -> Iterator[FakeStore]:
    store = FakeStore()
    yield store
    store.answers.set()


def log_of(store: FakeStore, folder: Path, retention_days: int = 0) -> PredictionLog:
    log = PredictionLog(store, PredictionSpool(folder), retention_days)
    log.start()
    return log


def idle_log_of(store: FakeStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> PredictionLog:
    """A log that has done what presses at its start, and whose threads wake for nothing but what comes."""
    log = log_of(store, folder)
    wait_until(lambda: not log._something_presses())
    monkeypatch.setattr(prediction_log, "FLUSH_SECONDS", 60.0)
    # They sleep for the shorter time once more.
    time.sleep(0.5)
    log.add(entry())
    log._wake.set()
    wait_until(lambda: len(store.kept) == 1)
    assert store.writers == ["prediction-log-idle"]
    return log


def test_entries_are_written_in_the_background_and_found_all_the_while(
    store: FakeStore, tmp_path: Path
) -> None:
    store.answers.clear()
    log = log_of(store, tmp_path)
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
    log.close()


def test_a_crowd_is_written_by_the_thread_that_gets_turns_beside_the_answers(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "AT_ONCE", 10)
    monkeypatch.setattr(prediction_log, "CROWD", 40)
    log = idle_log_of(store, tmp_path, monkeypatch)
    store.answers.clear()
    for _ in range(400):
        log.add(entry())
    store.answers.set()
    wait_until(lambda: not log.queue_length)
    log.close()
    # After the first entry, one batch may have been in the other's hands before there was a crowd.
    assert set(store.writers[2:]) == {"prediction-log"}
    assert len(store.kept) == 401


def test_a_few_are_written_by_the_thread_that_waits_for_an_idle_core(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = idle_log_of(store, tmp_path, monkeypatch)
    monkeypatch.setattr(prediction_log, "AT_ONCE", 10)
    for _ in range(25):
        log.add(entry())
    wait_until(lambda: len(store.kept) == 26)
    assert set(store.writers) == {"prediction-log-idle"}
    log.close()


def test_work_goes_back_to_an_idle_core_while_entries_keep_coming(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = idle_log_of(store, tmp_path, monkeypatch)
    monkeypatch.setattr(store, "meanwhile", lambda: log.add(entry()))
    log.add(entry())
    assert log.flush(10), "it does not wait for those that come after it was asked"
    assert store.writers[1:] == ["prediction-log"]
    wait_until(lambda: not log._something_presses(), seconds=10)
    log._wake.set()
    wait_until(lambda: store.writers[2:] == ["prediction-log-idle"], seconds=10)
    monkeypatch.undo()
    log.close()


def test_an_entry_in_the_spool_is_found(store: FakeStore, tmp_path: Path) -> None:
    store.is_away = True
    log = log_of(store, tmp_path)
    kept = entry()
    log.add(kept)
    wait_until(lambda: log.spool_length == 1)
    assert log.find(kept.id) == kept
    with pytest.raises(DatabaseError):
        log.find(entry().id)
    log.close()


def test_an_entry_of_another_process_is_waited_for(store: FakeStore, tmp_path: Path) -> None:
    log, late = log_of(store, tmp_path), entry()
    timer = threading.Timer(0.3, store.write, [[late]])
    timer.start()
    assert log.find(late.id) == late
    assert log.find("nobody's") is None
    timer.join()
    log.close()


def test_closing_writes_what_is_left(store: FakeStore, tmp_path: Path) -> None:
    log, entries = log_of(store, tmp_path), [entry() for _ in range(10)]
    for one in entries:
        log.add(one)
    log.close()
    assert list(store.kept.values()) == entries
    assert list(tmp_path.iterdir()) == []


def test_closing_spools_what_the_database_does_not_take_in_time(store: FakeStore, tmp_path: Path) -> None:
    store.answers.clear()
    log, entries = log_of(store, tmp_path), [entry() for _ in range(10)]
    log.add(entries[0])
    wait_until(lambda: bool(log._on_the_way))
    for one in entries[1:]:
        log.add(one)
    log.close(seconds=0.1)
    later = log_of(other := FakeStore(), tmp_path)
    wait_until(lambda: list(other.kept.values()) == entries)
    later.close()


def test_what_one_process_left_the_next_one_delivers(store: FakeStore, tmp_path: Path) -> None:
    store.is_away = True
    log, kept = log_of(store, tmp_path), entry()
    log.add(kept)
    log.close()
    store.is_away = False
    later = log_of(store, tmp_path)
    wait_until(lambda: kept.id in store.kept)
    later.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_queue_drops_and_counts(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_many_threads_lose_nothing(store: FakeStore, tmp_path: Path) -> None:
    log = log_of(store, tmp_path)
    entries = [[entry() for _ in range(500)] for _ in range(4)]
    adders = [threading.Thread(target=lambda some=some: [log.add(one) for one in some]) for some in entries]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert log.flush(10)
    assert set(store.kept) == {one.id for some in entries for one in some}
    log.close()


def test_a_bug_costs_one_batch_and_is_told(
    store: FakeStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = log_of(store, tmp_path)
    store.is_broken = True
    log.add(entry())
    wait_until(lambda: log.counters["dropped"] == 1)
    assert "ZeroDivisionError: a bug" in caplog.text
    store.is_broken = False
    log.add(kept := entry())
    assert log.flush(10)
    assert list(store.kept) == [kept.id]
    log.close()


def test_old_entries_are_pruned_until_none_is_left(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "FLUSH_SECONDS", 0.01)
    log = log_of(store, tmp_path, retention_days=30)
    wait_until(lambda: len(store.pruned) == 3)
    time.sleep(0.1)
    log.close()
    assert len(store.pruned) == 3
    age = datetime.now(UTC) - store.pruned[0]
    assert timedelta(days=30) <= age < timedelta(days=30, minutes=1)


def test_without_a_retention_nothing_is_pruned(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "FLUSH_SECONDS", 0.01)
    log = log_of(store, tmp_path)
    time.sleep(0.1)
    log.close()
    assert store.pruned == []
