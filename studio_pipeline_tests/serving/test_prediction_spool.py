"""The spool: bounded, in order, taken over from the dead and from nobody else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.records.prediction_spool import LINES_AT_ONCE, PredictionSpool
from serving.records.spool_file import SpoolFile


def drained(spool: PredictionSpool) -> list[bytes]:
    found: list[bytes] = []
    while lines := spool.read():
        found += lines
        spool.forget(lines)
    return found


def test_lines_come_out_as_they_went_in(tmp_path: Path) -> None:
    spool = PredictionSpool(tmp_path / "spool")
    lines = [b"%d" % number for number in range(3 * LINES_AT_ONCE + 7)]
    for first in range(0, len(lines), 100):
        assert spool.append(lines[first : first + 100]) == len(lines[first : first + 100])
    assert len(spool) == len(lines)
    assert spool.find(b"1234") == b"1234"
    assert drained(spool) == lines
    assert len(spool) == 0
    spool.append([b"more"])
    assert drained(spool) == [b"more"]
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def lines_in(spool: PredictionSpool) -> list[bytes]:
    return [line for file in spool._files() for line in file._content().split(b"\n")[:-1]]


@example(steps=[[b"one"], "read", [b"two"], "forget", "restart"])
@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.binary(max_size=5).filter(lambda line: b"\n" not in line), max_size=4),
            st.sampled_from(["read", "forget", "restart"]),
        ),
        max_size=30,
    )
)
def test_whatever_happens_nothing_is_lost_before_it_is_delivered(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[bytes] | str]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool, waiting, read = PredictionSpool(folder), list[bytes](), list[bytes]()
    for step in steps:
        if isinstance(step, list):
            spool.append(step)
            waiting += step
        elif step == "restart":
            spool.close()
            spool, read = PredictionSpool(folder), []
            spool.adopt()
            # A file that was delivered in part is delivered again from its start: once too often, never less.
            found = lines_in(spool)
            assert found[len(found) - len(waiting) :] == waiting
            waiting = found
        elif step == "read":
            read = spool.read()
            assert read == waiting[: len(read)]
        elif read:
            spool.forget(read)
            waiting, read = waiting[len(read) :], []
        assert len(spool) == len(waiting)
    assert drained(spool) == waiting
    spool.close()


def test_it_takes_no_more_than_it_has_room_for(tmp_path: Path) -> None:
    spool = PredictionSpool(tmp_path, max_bytes=100)
    line = b"x" * 19
    assert spool.append([line] * 3) == 3
    assert spool.append([line] * 3) == 2
    assert spool.append([line]) == 0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 100
    assert drained(spool) == [line] * 5
    assert spool.append([line] * 9) == 5
    spool.close()


WRITE = """
import os, sys
from pathlib import Path
from serving.records.prediction_spool import PredictionSpool
spool = PredictionSpool(Path(sys.argv[1]))
spool.append([b"one", b"two"])
print("ready", flush=True)
sys.stdin.read()
"""


def test_the_files_of_the_dead_are_taken_over_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    spool, another = PredictionSpool(tmp_path), PredictionSpool(tmp_path)
    assert spool.adopt() == 0
    assert len(spool) == 0
    writer.kill()
    writer.communicate()
    spool.append([b"mine"])
    spool.adopt()
    another.adopt()
    assert (len(spool), len(another)) == (3, 0)
    assert drained(spool) == [b"one", b"two", b"mine"]
    spool.close()
    another.close()
    assert list(tmp_path.iterdir()) == []


def test_a_torn_last_line_is_counted_and_the_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "predictions-1-dead.jsonl").write_bytes(b"one\ntwo\nthr")
    (tmp_path / "predictions-2-dead.jsonl").write_bytes(b"fou")
    (tmp_path / "predictions-3-dead.jsonl").write_bytes(b"")
    spool = PredictionSpool(tmp_path)
    assert spool.adopt() == 2
    assert drained(spool) == [b"one", b"two"]
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = PredictionSpool(tmp_path)
    spool.append([b"one"])
    write = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda descriptor, content, place: write(descriptor, content[:5], place)
    )
    with pytest.raises(OSError, match="the disk is full"):
        spool.append([b"two", b"three"])
    monkeypatch.undo()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"one\n"]
    spool.append([b"four"])
    assert drained(spool) == [b"one", b"four"]
    spool.close()


def test_a_file_counts_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "predictions-1-dead.jsonl"
    path.write_bytes(b"one\ntwo\n")
    file = SpoolFile(path, os.open(path, os.O_RDWR))
    assert (file.waiting, file.size, file.is_torn) == (2, 8, False)
    file.close()
    assert path.exists()
