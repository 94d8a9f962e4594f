"""The digest of a landing folder: what changes it, and what doesn't."""

import os

import pytest

from studio_pipeline.panel.ingest.folder_scan import landing_digest
from studio_pipeline.panel.ingest.importing import import_files
from studio_pipeline.panel.validation.limits import ValidationConfig

ROW = "studio_id,month_year,total_revenue\na,2024-01,100\n"


@pytest.fixture
def filled(landing):
    landing.put("a.csv", ROW)
    landing.put("north/b.csv", ROW)
    landing.put("a.columns.yaml", "constants: {studio_type: Yoga}")
    return landing


def test_content_tells_and_times_do_not(filled):
    before = landing_digest(filled.folder)
    os.utime(filled.folder / "a.csv", (1, 1))
    (filled.folder / "b.md").write_text("a note")
    filled.put("unfinished.csv.part", ROW)
    filled.put(".hidden.csv", ROW)
    filled.put("of_nothing.columns.yaml", "constants: {studio_type: Dance}")
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


def test_restored_content_has_the_digest_it_had(filled):
    before = landing_digest(filled.folder)
    filled.put("a.csv", "other")
    filled.put("a.csv", ROW)
    assert landing_digest(filled.folder) == before


def test_a_renamed_file_is_another_content(filled):
    before = landing_digest(filled.folder)
    (filled.folder / "a.csv").rename(filled.folder / "z.csv")
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


def test_temporary_names_are_not_read(landing):
    landing.put("a.csv.part", ROW)
    landing.put("b.tmp", ROW)
    landing.put("c.csv", ROW)
    assert list(landing.read().frame["file"]) == ["c.csv"]
