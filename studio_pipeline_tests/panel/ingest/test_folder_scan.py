"""Looks at a landing folder: half-written files wait, complete ones cost no wait, nothing is read twice."""

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

ROW = "studio_id,month_year,total_revenue\na,2024-01,100\n"
NOW = 1_700_000_000.0


def put(landing, name, content, modified):
    path = landing.put(name, content)
    os.utime(path, (modified, modified))
    return path


def test_a_file_that_appears_complete_is_settled_at_once(landing):
    put(landing, "a.csv", ROW, NOW - SETTLE_SECONDS)
    look = look_at(landing.folder, FolderSnapshot(), NOW)
    assert look.unsettled == ()
    assert look.digest == landing_digest(landing.folder)


def test_a_file_that_was_just_written_waits_its_seconds(landing):
    put(landing, "a.csv", ROW, NOW - 1)
    first = look_at(landing.folder, FolderSnapshot(), NOW)
    assert first.unsettled == ("a.csv",)
    assert look_at(landing.folder, first, NOW + SETTLE_SECONDS - 2).unsettled == ("a.csv",)
    assert look_at(landing.folder, first, NOW + SETTLE_SECONDS).unsettled == ()


@pytest.mark.parametrize("modified", [NOW - 3_600, NOW, NOW + 86_400])
def test_a_file_that_changed_between_two_looks_waits_whatever_its_time_says(landing, modified):
    put(landing, "a.csv", ROW, NOW - 7_200)
    first = look_at(landing.folder, FolderSnapshot(), NOW)
    put(landing, "a.csv", ROW + "b,2024-01,100\n", modified)
    second = look_at(landing.folder, first, NOW + 5)
    assert second.unsettled == ("a.csv",)
    third = look_at(landing.folder, second, NOW + 5 + SETTLE_SECONDS)
    assert third.unsettled == ()
    assert third.digest == landing_digest(landing.folder) != first.digest


def test_same_size_and_time_do_not_hide_another_content(landing):
    put(landing, "a.csv", ROW, NOW - 60)
    first = look_at(landing.folder, FolderSnapshot(), NOW)
    put(landing, "a.csv", ROW.replace("100", "999"), NOW - 60)
    second = look_at(landing.folder, first, NOW + 5)
    assert look_at(landing.folder, second, NOW + 10).digest == landing_digest(landing.folder) != first.digest


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
