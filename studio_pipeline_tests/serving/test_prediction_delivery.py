"""Delivery: in order, never twice, never lost, and what is dropped is counted."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from logged_predictions import entry

from serving.records import prediction_delivery, prediction_spool
from serving.records.logged_prediction import LoggedPrediction, from_line, to_line
from serving.records.prediction_delivery import AT_ONCE, Delivery
from serving.records.prediction_spool import PredictionSpool
from studio_pipeline.errors import DatabaseError, InputError


class FakeTable:
    """Keeps what it is given, unless it is away or refuses a studio."""

    def __init__(self) -> None:
        self.kept: dict[str, LoggedPrediction] = {}
        self.tries = 0
        self.is_away = False

    def write(self, entries: Sequence[LoggedPrediction]) -> None:
        self.tries += 1
        if self.is_away:
            raise DatabaseError("It is away.")
        if any(one.studio_id == "bad" for one in entries):
            raise InputError("It can't be kept.")
        self.kept.update({one.id: one for one in entries})


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def delivery(table: FakeTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    monkeypatch.setattr(prediction_delivery, "RETRY_SECONDS", 0.0)
    return Delivery(table.write, PredictionSpool(tmp_path, max_bytes=100_000))


def test_a_line_holds_an_entry_whole() -> None:
    kept = entry("Stüdio \n 1", kind="inverse", role="challenger")
    line = to_line(kept)
    assert b"\n" not in line
    assert from_line(line) == kept


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"{}", b"null", to_line(entry())[:-9], b'{"id":"x"}'])
def test_what_is_no_entry_is_none(line: bytes) -> None:
    assert from_line(line) is None


def test_what_comes_while_the_database_is_away_follows_in_order(delivery: Delivery, table: FakeTable) -> None:
    entries = [entry() for _ in range(9)]
    delivery.deliver(entries[:2])
    table.is_away = True
    delivery.deliver(entries[2:4])
    delivery.deliver(entries[4:6])
    assert list(table.kept) == [one.id for one in entries[:2]]
    table.is_away = False
    delivery.deliver(entries[6:])
    assert list(table.kept.values()) == entries
    assert delivery.counters == {"written": 9, "spooled": 4, "dropped": 0}


def test_a_database_that_is_away_is_left_alone_for_a_while(
    delivery: Delivery, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_delivery, "RETRY_SECONDS", 1000.0)
    table.is_away = True
    for _ in range(5):
        delivery.deliver([entry()])
    assert table.tries == 1
    assert delivery.counters["spooled"] == 5


def test_new_entries_do_not_overtake_those_that_wait(
    delivery: Delivery, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_delivery, "RETRY_SECONDS", 1000.0)
    monkeypatch.setattr(prediction_spool, "LINES_AT_ONCE", 2)
    entries = [entry() for _ in range(9)]
    table.is_away = True
    delivery.deliver(entries[:5])
    table.is_away = False
    delivery.deliver(entries[5:7])
    assert list(table.kept) == [], "it is left alone for a while"
    monkeypatch.setattr(delivery, "_retry_at", 0.0)
    delivery.deliver(entries[7:])
    assert list(table.kept.values()) == entries


def test_many_are_written_in_several_transactions(delivery: Delivery, table: FakeTable) -> None:
    delivery.deliver([entry() for _ in range(2 * AT_ONCE + 1)])
    assert (table.tries, len(table.kept)) == (3, 2 * AT_ONCE + 1)


def test_one_that_is_refused_does_not_keep_the_others_out(delivery: Delivery, table: FakeTable) -> None:
    entries = [entry("bad" if place in (3, 17) else "good") for place in range(40)]
    table.is_away = True
    delivery.deliver(entries[:20])
    table.is_away = False
    delivery.deliver(entries[20:])
    assert list(table.kept.values()) == [one for one in entries if one.studio_id == "good"]
    assert delivery.counters == {"written": 38, "spooled": 20, "dropped": 2}


def test_what_finds_no_room_is_counted(delivery: Delivery, table: FakeTable) -> None:
    table.is_away = True
    size = len(to_line(entry())) + 1
    entries = [entry() for _ in range(100_000 // size + 50)]
    delivery.deliver(entries)
    assert delivery.counters["dropped"] >= 49
    table.is_away = False
    delivery.deliver([])
    assert list(table.kept.values()) == entries[: len(table.kept)]
    assert len(table.kept) + delivery.counters["dropped"] == len(entries)


def test_a_disk_that_refuses_costs_entries_and_nothing_else(
    table: FakeTable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    delivery = Delivery(table.write, PredictionSpool(tmp_path / "file" / "spool"))
    table.is_away = True
    with caplog.at_level(logging.WARNING):
        delivery.deliver([entry()])
        delivery.deliver([entry()])
    assert delivery.counters == {"written": 0, "spooled": 0, "dropped": 2}
    assert caplog.text.count("can't be spooled: Not a directory") == 1


def test_rubbish_in_a_spool_of_the_dead_is_counted(table: FakeTable, tmp_path: Path) -> None:
    good = entry()
    content = to_line(good) + b"\nrubbish\n" + to_line(entry())[:-5]
    (tmp_path / "predictions-1-dead.jsonl").write_bytes(content)
    delivery = Delivery(table.write, PredictionSpool(tmp_path))
    delivery.adopt()
    delivery.deliver([])
    assert list(table.kept.values()) == [good]
    assert delivery.counters == {"written": 1, "spooled": 0, "dropped": 2}
    assert list(tmp_path.iterdir()) == []


def test_inputs_that_are_no_json_are_dropped_and_nothing_else(delivery: Delivery, table: FakeTable) -> None:
    table.is_away = True
    good = entry()
    delivery.deliver([entry(studio_id="\ud800"), good])
    table.is_away = False
    delivery.deliver([])
    assert list(table.kept.values()) == [good]
    assert delivery.counters["dropped"] == 1
