import hashlib
import json
import os
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from studio_pipeline.errors import StorageError
from studio_pipeline.panel.ingest.landing import raw_from_numbers
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.validation import rejected_share_by_month, validate_months

ROW = "studio_id,month_year,total_revenue,total_members\n"


def _revenue(validated):
    months = validated.frame["month_year"].dt.strftime("%Y-%m")
    return dict(zip(months, validated.frame["total_revenue"], strict=True))


def _naive(*moments):
    return [pd.Timestamp(moment).tz_localize(None) for moment in moments]


def _tree(folder):
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_bad_files_are_named_with_a_remedy_and_the_others_go_on(landing):
    landing.put("good.csv", ROW + "a,2024-01,100,10\n")
    landing.put("north/also good.txt", ROW + "b,2024-01,100,10\n")
    landing.put("empty.csv", "")
    landing.put("half.parquet", b"PAR1....")
    landing.put("no_revenue.csv", "studio_id,month_year\na,2024-01\n")
    landing.put("bad_map.csv", ROW + "c,2024-01,100,10\n")
    landing.put("bad_map.csv.columns.yaml", "columns: {total_revenue: turnover}")
    landing.put("torn_map.csv", ROW + "c,2024-01,100,10\n")
    landing.put("torn_map.columns.yaml", "columns: {total_revenue")
    for name in (".hidden.csv", "unfinished.csv.part", "b.tmp", "README.md"):
        landing.put(name, "nonsense")
    before = _tree(landing.folder)
    raw = landing.read()
    assert sorted(raw.frame["file"]) == ["good.csv", "north/also good.txt"]
    assert [fault.file for fault in raw.unreadable] == [
        "bad_map.csv", "empty.csv", "half.parquet", "no_revenue.csv", "torn_map.csv",
    ]  # fmt: skip
    assert all(fault.reason and fault.remedy for fault in raw.unreadable)
    assert "names the column 'turnover'" in raw.unreadable[0].reason
    assert _tree(landing.folder) == before, "nothing in the landing folder is ever changed"


def test_a_file_without_permission_is_named(landing):
    path = landing.put("secret.csv", ROW + "a,2024-01,100,10\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads everything")
    assert "can't be opened" in landing.read().unreadable[0].reason


def test_an_empty_or_missing_folder_gives_an_empty_table(landing):
    assert landing.read().unreadable == ()
    validated = landing.validate()
    assert validated.frame.empty
    assert rejected_share_by_month(validated.frame, validated.rejected).empty
    landing.folder.rmdir()
    assert landing.read().frame.empty


def test_maps_filter_constants_and_number_forms(landing):
    landing.put("a.csv", "shop;when;sales;guests;open\nx;01.03.2024;1.234,50;7;1\nx;01.04.2024;2;7;0\n")
    landing.put(
        "a.columns.yaml",
        "{columns: {studio_id: shop, month_year: when, total_revenue: sales, total_members: guests},"
        " constants: {studio_type: Theatre, class_capacity: 12.5}, where: {open: 1.0},"
        ' month_format: "%d.%m.%Y", decimal: ",", thousands: "."}',
    )
    raw = landing.read()
    assert raw.left_out == {"a.csv": 1}
    assert raw.frame.loc[0, "total_revenue"] == "1.234,50", "still as it stood"
    row = landing.validate().frame.iloc[0]
    assert (row["total_revenue"], row["total_members"]) == (1234.5, 7)
    assert (row["studio_type"], row["class_capacity"]) == ("Theatre", 12.5)
    assert row["month_year"] == pd.Timestamp("2024-03-01")


def test_typed_parquet_is_not_misread_by_a_map_made_for_csv(landing, now):
    month = pd.to_datetime(["2024-01-01"])
    frame = pd.DataFrame({"studio_id": ["a"], "month_year": month, "total_revenue": [1234.5]})
    frame.to_parquet(landing.folder / "a.parquet")
    landing.put("columns.yaml", '{decimal: ",", thousands: ".", month_format: "%d.%m.%Y"}')
    validated = landing.validate()
    assert validated.rejected.empty
    assert _revenue(validated) == {"2024-01": 1234.5}


def test_a_file_seen_later_replaces_whole_rows(landing, now):
    landing.put("z.csv", ROW + "a,2024-01,100,10\na,2024-02,110,11\n")
    assert _revenue(landing.validate(now)) == {"2024-01": 100, "2024-02": 110}
    landing.put("a.csv", ROW + "a,2024-02,120,\n")
    later = landing.validate(now + timedelta(days=1))
    assert _revenue(later) == {"2024-01": 100, "2024-02": 120}
    assert later.replaced_rows == 1
    assert np.isnan(later.frame["total_members"].iloc[1]), "the whole row was replaced"


def test_first_seen_times_outlive_files_and_corrections(landing, now):
    first, second, third = (now + timedelta(days=days) for days in (0, 1, 2))
    path = landing.put("a.csv", ROW + "a,2024-01,100,10\n")
    landing.read(first)
    path.write_text(ROW + "a,2024-01,101,10\na,2024-02,110,11\n")
    landing.read(second)
    path.unlink()
    landing.put("b.csv", ROW + "a,2024-01,102,10\na,2024-02,112,11\na,2024-03,113,11\n")
    validated = landing.validate(third)
    assert validated.frame["total_revenue"].tolist() == [102, 112, 113]
    assert validated.frame["first_seen"].tolist() == _naive(first, second, third)


def test_an_earlier_content_that_is_sent_again_counts_as_the_latest(landing, now):
    first, second, third, fourth = (now + timedelta(days=days) for days in range(4))
    landing.put("a.csv", ROW + "a,2024-01,100,10\n")
    landing.read(first)
    landing.put("b.csv", ROW + "a,2024-01,110,10\n")
    assert _revenue(landing.validate(second)) == {"2024-01": 110}
    landing.put("c.csv", ROW + "a,2024-01,100,10\n")
    for when in (third, fourth):
        validated = landing.validate(when)
        assert _revenue(validated) == {"2024-01": 100}
        assert validated.frame["first_seen"].tolist() == _naive(first)
    assert landing.read(fourth).frame["file"].tolist() == ["a.csv", "b.csv", "c.csv"]


def test_a_ledger_of_contents_without_names_is_read(landing, now):
    landing.put("z.csv", ROW + "a,2024-01,100,10\n")
    landing.read(now)
    landing.put("a.csv", ROW + "a,2024-01,110,10\n")
    landing.read(now + timedelta(days=1))
    table = pa.parquet.read_table(landing.ledger)
    files = json.loads(table.schema.metadata[b"first_seen_of_files"])
    old = {file_hash: next(iter(names.values())) for file_hash, names in files.items()}
    metadata = {**table.schema.metadata, b"first_seen_of_files": json.dumps(old).encode()}
    pa.parquet.write_table(table.replace_schema_metadata(metadata), landing.ledger)
    validated = landing.validate(now + timedelta(days=2))
    assert _revenue(validated) == {"2024-01": 110}, "the order stays"
    assert validated.frame["first_seen"].tolist() == _naive(now)
    landing.put("c.csv", ROW + "a,2024-01,100,10\n")
    assert _revenue(landing.validate(now + timedelta(days=3))) == {"2024-01": 100}, "a new name arrives now"


def test_a_part_month_does_not_count_as_seen(landing, now):
    path = landing.put("a.csv", ROW + "a,2024-06,50,10\n")
    assert landing.validate(now).held_back_rows == 1
    path.write_text(ROW + "a,2024-06,100,10\n")
    later = now + timedelta(days=20)
    assert landing.validate(later).frame["first_seen"].tolist() == _naive(later)


def test_files_of_one_reading_count_by_modification_time_then_name(landing):
    old = landing.put("z.csv", ROW + "a,2024-01,1,1\n")
    os.utime(old, (1_000, 1_000))
    for name, revenue in (("a.csv", 2), ("b.csv", 3)):
        os.utime(landing.put(name, ROW + f"a,2024-01,{revenue},1\n"), (2_000, 2_000))
    raw = landing.read()
    assert raw.frame.sort_values("file_order")["file"].tolist() == ["z.csv", "a.csv", "b.csv"]
    assert _revenue(landing.validate()) == {"2024-01": 3}


@pytest.mark.usefixtures("full_disk")
def test_reading_again_or_on_a_full_disk_leaves_the_ledger_alone(landing, now, monkeypatch):
    landing.put("a.csv", ROW + "a,2024-01,100,10\n")
    with monkeypatch.context() as roomy:
        roomy.setattr(os, "fsync", lambda _: None)
        landing.read(now)
    before = landing.ledger.stat()
    landing.read(now + timedelta(days=1))
    landing.put("b.csv", ROW + "b,2024-01,100,10\n")
    with pytest.raises(StorageError, match="No space left"):
        landing.read(now)
    assert landing.ledger.stat() == before
    assert [path.name for path in landing.ledger.parent.iterdir() if path.is_file()] == [landing.ledger.name]


def test_a_broken_ledger_is_told(landing):
    landing.put("a.csv", ROW + "a,2024-01,100,10\n")
    landing.ledger.write_bytes(b"nonsense")
    with pytest.raises(StorageError, match=r"first_seen\.parquet"):
        landing.read()


def test_months_that_are_numbers_already_come_out_as_they_went_in(make_months, now):
    months = make_months()
    months["month_year"] = pd.to_datetime(months["month_year"])
    raw = raw_from_numbers(months.set_index(np.arange(len(months)) + 5), "generator", now)
    validated = validate_months(raw, ValidationConfig(), now.date())
    assert validated.rejected.empty
    numbers = [name for name in months if name not in ("studio_id", "studio_type", "month_year")]
    pd.testing.assert_frame_equal(validated.frame[numbers], months[numbers].astype(float))
    assert set(validated.frame["first_seen"]) == set(_naive(now))


def test_the_shared_world_goes_in_as_it_is(landing, shared):
    landing.put("history.csv", (shared / "worlds" / "alpha" / "history.csv").read_bytes())
    validated = landing.validate()
    assert (len(validated.frame), validated.rejected_rows, len(validated.warnings)) == (18_000, 0, 0)


@pytest.mark.parametrize("cut", [1, 9, 20, 33, -1, -2, -7, -30, -61])
def test_a_half_written_file_is_told_and_the_others_go_on(landing, make_months, cut):
    whole = make_months(studios=1, months=12).to_csv(index=False).encode()
    landing.put("half.csv", whole[:cut])
    landing.put("good.csv", ROW + "b,2024-01,100,10\n")
    raw = landing.read()
    validated = landing.validate()
    assert "b" in set(validated.frame["studio_id"])
    rows = raw.frame["file"].eq("half.csv").sum()
    if rows == 0:
        assert [fault.file for fault in raw.unreadable] == ["half.csv"]
    elif b"," not in whole[cut:]:
        # The last value alone is cut: where that shows, its row is rejected.
        assert len(validated.frame) + validated.rejected_rows == 13
    else:
        assert validated.rejected["line"].tolist() == [whole[:cut].count(b"\n") + 1]


@pytest.mark.parametrize("at", range(0, 400, 57))
def test_a_damaged_file_never_stops_the_reading(landing, make_months, at):
    damaged = bytearray(make_months(studios=1, months=12).to_csv(index=False).encode())
    for byte in (0, 10, 34, 44, 255):
        damaged[at] = byte
        landing.put("damaged.csv", bytes(damaged))
        raw = landing.read()
        validated = landing.validate()
        assert len(raw.unreadable) == (not len(raw.frame))
        accounted = len(validated.frame) + validated.rejected_rows + validated.held_back_rows
        assert accounted == len(raw.frame)
