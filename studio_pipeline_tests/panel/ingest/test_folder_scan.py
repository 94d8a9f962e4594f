"""Looks at a landing folder: what waits, what is read twice, and what changes its digest."""

import os

import pytest

from studio_pipeline.panel.ingest.folder_scan import (
    SETTLE_SECONDS,
    FolderSnapshot,
    changes_in_words,
    landing_digest,
    look_at,
    look_from_json,
    look_to_json,
)
from studio_pipeline.panel.ingest.importing import import_files
from studio_pipeline.panel.validation.limits import ValidationConfig

ROW = "studio_id,month_year,total_revenue\na,2024-01,100\n"
NOW = 1_700_000_000.0


def put(landing, name, content, modified):
    path = landing.put(name, content)
    os.utime(path, (modified, modified))
    return path


def test_a_file_that_was_just_written_waits_its_seconds_and_an_older_one_does_not(landing):
    put(landing, "a.csv", ROW, NOW - 1)
    put(landing, "b.csv", ROW, NOW - SETTLE_SECONDS)
    first = look_at(landing.folder, FolderSnapshot(), NOW)
    assert first.unsettled == ("a.csv",)
    assert look_at(landing.folder, first, NOW + SETTLE_SECONDS - 2).unsettled == ("a.csv",)
    assert look_at(landing.folder, first, NOW + SETTLE_SECONDS).unsettled == ()


@pytest.mark.parametrize("modified", [NOW - 7_200, NOW - 3_600, NOW, NOW + 86_400])
def test_a_file_that_changed_between_two_looks_waits_whatever_its_size_and_time_say(landing, modified):
    put(landing, "a.csv", ROW, NOW - 7_200)
    first = look_at(landing.folder, FolderSnapshot(), NOW)
    put(landing, "a.csv", ROW.replace("100", "999"), modified)
    second = look_at(landing.folder, first, NOW + 5)
    assert second.unsettled == ("a.csv",)
    third = look_at(landing.folder, second, NOW + 5 + SETTLE_SECONDS)
    assert third.unsettled == ()
    assert third.digest == landing_digest(landing.folder) != first.digest


def test_settled_files_are_not_read_again(landing, monkeypatch):
    put(landing, "a.csv", ROW, NOW - 60)
    first = look_at(landing.folder, FolderSnapshot(), NOW)
    monkeypatch.setattr("studio_pipeline.panel.ingest.folder_scan.content_sha", pytest.fail)
    assert look_at(landing.folder, first, NOW + 5) == first


def test_temporary_names_are_told_and_hold_up_nothing(landing):
    put(landing, "a.csv", ROW, NOW - 60)
    put(landing, ".b.csv", ROW, NOW)
    put(landing, "c.csv.part", ROW, NOW)
    look = look_at(landing.folder, FolderSnapshot(), NOW)
    assert (look.unsettled, look.temporary) == ((), (".b.csv", "c.csv.part"))


def test_a_look_survives_its_json(landing):
    put(landing, "a.csv", ROW, NOW - 60)
    put(landing, "b.csv", ROW, NOW)
    look = look_at(landing.folder, FolderSnapshot(), NOW)
    assert look_from_json(look_to_json(look)).files == look.files


def test_changes_are_named():
    before = {"a": "1", "b": "1", "c": "1"}
    after = {"a": "1", "b": "2", **dict.fromkeys("defgh", "1")}
    assert changes_in_words(before, after) == "new: d, e, f and 2 more, changed: b, removed: c"
    assert changes_in_words(after, after) == ""


@pytest.fixture
def filled(landing):
    landing.put("a.csv", ROW)
    landing.put("north/b.csv", ROW)
    landing.put("a.columns.yaml", "constants: {studio_type: Yoga}")
    return landing


def test_content_and_names_tell_and_times_do_not(filled):
    before = landing_digest(filled.folder)
    os.utime(filled.folder / "a.csv", (1, 1))
    (filled.folder / "b.md").write_text("a note")
    filled.put("unfinished.csv.part", ROW)
    filled.put(".hidden.csv", ROW)
    filled.put("of_nothing.columns.yaml", "constants: {studio_type: Dance}")
    assert landing_digest(filled.folder) == before
    (filled.folder / "a.csv").rename(filled.folder / "z.csv")
    assert landing_digest(filled.folder) != before
    filled.put("a.csv", ROW)
    (filled.folder / "z.csv").unlink()
    assert landing_digest(filled.folder) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ROW.replace("100", "101")),
        ("c.csv", ROW),
        ("a.columns.yaml", "constants: {studio_type: Dance}"),
        ("north/columns.yaml", "constants: {studio_type: Dance}"),
        ("b.csv.columns.yaml", None),
        ("a.csv", None),
    ],
)
def test_every_change_that_a_run_would_read_tells(filled, name, content):
    filled.put("b.csv", ROW)
    filled.put("b.csv.columns.yaml", "decimal: '.'")
    before = landing_digest(filled.folder)
    if content is None:
        (filled.folder / name).unlink()
    else:
        filled.put(name, content)
    assert landing_digest(filled.folder) != before


def test_an_absent_folder_has_the_digest_of_an_empty_one(landing):
    empty = landing_digest(landing.folder)
    landing.folder.rmdir()
    assert landing_digest(landing.folder) == empty


@pytest.mark.parametrize("name", ["a.csv.part", "a.tmp", ".a.csv", "~$a.csv"])
def test_an_import_refuses_a_name_that_no_run_would_read(tmp_path, landing, name):
    file = tmp_path / name
    file.write_text(ROW)
    report = import_files([file], None, landing.folder, ValidationConfig(), landing.ledger)
    assert "its name marks it as not complete" in report.refused[0].refusal
    assert not any(landing.folder.iterdir())
