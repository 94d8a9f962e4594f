"""The SQLite spool: bounded, in order, and handed over when its process has ended."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from logged_predictions import entry

from serving.storage import prediction_spool
from serving.storage.prediction_spool import PredictionSpool, SpoolFile
from serving.storage.predictions import LoggedPrediction


def drained(spool: PredictionSpool | SpoolFile) -> list[LoggedPrediction]:
    found: list[LoggedPrediction] = []
    while entries := spool.oldest(7):
        found += entries
        spool.remove(entries)
    return found


def left_behind(spool: PredictionSpool) -> list[LoggedPrediction]:
    return [one for file in spool.leftovers() for one in drained(file)]


def test_entries_come_out_as_they_went_in(tmp_path: Path) -> None:
    spool, entries = PredictionSpool(tmp_path / "spool"), [entry() for _ in range(1200)]
    entries[5] = entry("Stüdio \n 1", kind="inverse", role="challenger")
    for first in range(0, len(entries), 100):
        assert spool.append(entries[first : first + 100]) == 100
    assert len(spool) == len(entries)
    assert spool.find(entries[777].id) == entries[777]
    assert spool.find("unknown") is None
    assert drained(spool) == entries
    assert list((tmp_path / "spool").iterdir()) == []
    spool.append(entries[:1])
    assert drained(spool) == entries[:1]
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


@settings(max_examples=25)
@example(steps=[2, "read", 1, "remove", "restart"])
@given(steps=st.lists(st.integers(1, 4) | st.sampled_from(["read", "remove", "restart"]), max_size=20))
def test_nothing_is_lost_before_it_is_delivered(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = PredictionSpool(folder)
    waiting, read = list[LoggedPrediction](), list[LoggedPrediction]()
    for step in steps:
        if isinstance(step, int):
            added = [entry() for _ in range(step)]
            assert spool.append(added) == step
            waiting += added
        elif step == "restart":
            spool.close()
            spool, read = PredictionSpool(folder), []
            assert left_behind(spool) == waiting
            waiting = []
        elif step == "read":
            read = spool.oldest(2)
            assert read == waiting[:2]
        elif read:
            spool.remove(read)
            waiting, read = waiting[len(read) :], []
        assert len(spool) == len(waiting)
    assert drained(spool) == waiting
    spool.close()


def test_it_takes_no_more_than_it_has_room_for(tmp_path: Path) -> None:
    spool = PredictionSpool(tmp_path, max_bytes=200_000)
    entries = [entry() for _ in range(1000)]
    kept = spool.append(entries)
    assert 50 < kept < 900
    while more := spool.append(entries[kept:]):
        kept += more
    (path,) = tmp_path.glob("*.sqlite3")
    assert 100_000 < path.stat().st_size <= 200_000
    assert drained(spool) == entries[:kept]
    assert spool.append(entries[:10]) == 10
    spool.close()


WRITE = """
import sys
from pathlib import Path
from logged_predictions import entry
from serving.storage.prediction_spool import PredictionSpool
spool = PredictionSpool(Path(sys.argv[1]))
spool.append([entry("one"), entry("two")])
print("ready", flush=True)
sys.stdin.read()
"""


def test_only_a_file_of_an_ended_process_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    spool, another = PredictionSpool(tmp_path), PredictionSpool(tmp_path)
    spool.append([entry()])
    assert left_behind(spool) == left_behind(another) == []
    writer.kill()
    writer.communicate()
    with_lock = spool.leftovers()
    file = next(with_lock)
    assert left_behind(another) == []
    assert [one.studio_id for one in drained(file)] == ["one", "two"]
    assert next(with_lock, None) is None
    assert len(spool) == 1
    spool.remove(spool.oldest(1))
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "predictions-1-2.sqlite3").write_bytes(b"no database" * 100)
    spool = PredictionSpool(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert left_behind(spool) == left_behind(spool) == []
    assert caplog.text.count("predictions-1-2.sqlite3 can't be read") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["predictions-1-2.unreadable"]


def test_a_new_file_that_is_taken_away_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = prediction_spool.SpoolFile

    def stolen(path: Path, max_bytes: int) -> SpoolFile:
        monkeypatch.setattr(prediction_spool, "SpoolFile", made)
        file = made(path, max_bytes)
        path.unlink()
        return file

    monkeypatch.setattr(prediction_spool, "SpoolFile", stolen)
    spool = PredictionSpool(tmp_path)
    spool.append([entry()])
    spool.close()
    assert len(left_behind(PredictionSpool(tmp_path))) == 1
