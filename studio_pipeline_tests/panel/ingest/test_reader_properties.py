"""What must hold of reading and validation whatever the files look like."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.panel.ingest.landing import read_landing
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.validation import validate_months

NOW = datetime(2024, 6, 15, tzinfo=UTC)
CHEAP = settings(max_examples=25, deadline=None)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=5)
CENTS = st.integers(100_000, 900_000)


@st.composite
def tables(draw):
    """Any valid table: some studios, some months each, some columns, some cells empty."""
    studios = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    months = draw(st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True))
    calendar = (np.datetime64("2020-06") + np.array(months)).astype("datetime64[ns]")
    frame = pd.DataFrame([(s, m) for s in studios for m in calendar], columns=["studio_id", "month_year"])
    cells = st.lists(CENTS, min_size=len(frame), max_size=len(frame))
    frame["total_revenue"] = np.array(draw(cells)) / 100
    for name, divisor in (("total_members", 1e4), ("retention_rate", 1e6), ("total_classes_held", 1e4)):
        if draw(st.booleans()):
            values = np.round(np.array(draw(cells)) / divisor, 4)
            there = draw(st.lists(st.booleans(), min_size=len(frame), max_size=len(frame)))
            frame[name] = np.where(there, values, np.nan)
    return frame


@st.composite
def forms(draw):
    decimal = draw(st.sampled_from(".,"))
    return {
        "separator": draw(st.sampled_from(";\t|" if decimal == "," else ",;\t")),
        "decimal": decimal,
        "thousands": draw(st.sampled_from([mark for mark in ("", ",", ".", " ", "'") if mark != decimal])),
        "month_format": draw(st.sampled_from([None, "%Y-%m", "%d.%m.%Y", "%b %Y"])),
        "line_break": draw(st.sampled_from(["\n", "\r\n"])),
        "mark": draw(st.booleans()),
        "quoted": draw(st.booleans()),
        "renamed": draw(st.booleans()),
        "parquet": draw(st.booleans()),
    }


def _write(folder, name, frame, form):
    frame = frame.rename(columns=lambda column: f"their {column}") if form["renamed"] else frame
    column_map = {key: form[key] for key in ("month_format", "decimal", "thousands")}
    lines = [f"{key}: {value!r}" for key, value in column_map.items() if value is not None]
    if form["renamed"]:
        lines += ["columns:", *(f"  {column.removeprefix('their ')}: {column}" for column in frame)]
    (folder / f"{name}.columns.yaml").write_text("\n".join(lines), encoding="utf-8")
    if form["parquet"]:
        frame.to_parquet(folder / name)
    else:
        (folder / name).write_bytes(_as_csv(frame, form))


def _as_csv(frame, form):
    def written(value):
        if isinstance(value, pd.Timestamp):
            return value.strftime(form["month_format"] or "%Y-%m-%d")
        if isinstance(value, float):
            text = "" if np.isnan(value) else f"{value:,.4f}"
            return text.replace(",", "\0").replace(".", form["decimal"]).replace("\0", form["thousands"])
        return value

    def field(text):
        unsafe = form["quoted"] or any(mark in text for mark in (form["separator"], '"'))
        return '"' + text.replace('"', '""') + '"' if unsafe else text

    rows = [list(frame.columns), *frame.astype(object).itertuples(index=False, name=None)]
    text = form["line_break"].join(form["separator"].join(field(written(v)) for v in row) for row in rows)
    return (b"\xef\xbb\xbf" if form["mark"] else b"") + (text + form["line_break"]).encode()


def _validated(write):
    """What comes of files that `write` puts into a fresh folder."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "landing"
        folder.mkdir()
        write(folder)
        raw = read_landing(folder, Path(home) / "ledger", NOW)
    assert raw.unreadable == ()
    return raw, validate_months(raw.frame, ValidationConfig(), NOW.date())


@CHEAP
@given(tables(), forms())
def test_any_valid_table_comes_back_from_any_form(frame, form):
    _, plain = _validated(lambda folder: frame.to_csv(folder / "plain.csv", index=False))
    assert plain.rejected.empty
    expected = frame.sort_values(["studio_id", "month_year"], ignore_index=True)
    keys = ["studio_id", "month_year"]
    pd.testing.assert_frame_equal(plain.frame[keys], expected[keys])
    np.testing.assert_allclose(plain.frame["total_revenue"], expected["total_revenue"])
    _, found = _validated(lambda folder: _write(folder, "other form", frame, form))
    pd.testing.assert_frame_equal(found.frame, plain.frame)
    pd.testing.assert_frame_equal(
        found.warnings.drop(columns=["file", "value"]), plain.warnings.drop(columns=["file", "value"])
    )


@CHEAP
@given(tables(), st.lists(st.integers(0, 3), min_size=24, max_size=24), st.permutations("abcd"))
def test_rows_may_be_cut_into_files_in_any_way(frame, cut, names):
    parts = np.array(cut)[np.arange(len(frame)) % len(cut)]

    def write(folder):
        for part in np.unique(parts):
            rows = frame[parts == part].sample(frac=1, random_state=1)
            rows.to_csv(folder / f"{names[part]}.csv", index=False)

    _, whole = _validated(lambda folder: frame.to_csv(folder / "all.csv", index=False))
    _, found = _validated(write)
    pd.testing.assert_frame_equal(found.frame, whole.frame)


JUNK = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "", " a"]),
        st.sampled_from(["2024-01", "2024-02-29", "2024-06", "2024-09", "never", "", "2023-13"]),
        st.sampled_from(["100", "10000", "-5", "inf", "x", "", "1e400", '"1', "101,7"]),
        st.sampled_from(["10", "", "NA", "ten", "-1"]),
        st.sampled_from(["0", "1"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=80, deadline=None)
@given(st.lists(JUNK, min_size=1, max_size=3))
def test_nothing_is_lost_whatever_is_in_the_files(files):
    def write(folder):
        (folder / "columns.yaml").write_text("where: {open: 1}")
        for number, rows in enumerate(files):
            lines = "".join(",".join(row) + "\n" for row in rows).replace('"', "''")
            head = "studio_id,month_year,total_revenue,total_members,open\n"
            (folder / f"{number}.csv").write_text(head + lines)

    raw, found = _validated(write)
    written = sum(map(len, files))
    assert len(raw.frame) + sum(raw.left_out.values()) == written
    accounted = len(found.frame) + found.rejected_rows + found.replaced_rows + found.held_back_rows
    assert accounted == len(raw.frame)
    assert found.rejected.drop_duplicates(["file", "line"]).shape[0] == found.rejected_rows
    assert not found.frame.duplicated(["studio_id", "month_year"]).any()
    assert found.rejected["reason"].str.len().gt(0).all()


def seconds_of_validation(landing, months):
    """CPU time that reading and validating a file of months takes."""
    landing.put_frame("months.csv", months)
    started = time.process_time()
    validated = landing.validate()
    assert len(validated.frame) == len(months)
    return time.process_time() - started


@pytest.mark.slow
def test_eight_times_the_studios_are_validated_in_about_eight_times_the_time(landing, make_months):
    """`campaigns/test_scale.py` has 10,000 studios."""
    few, many = (
        seconds_of_validation(landing, make_months(studios=studios, months=60, first="2019-01"))
        for studios in (200, 1_600)
    )
    assert many < 16 * few
