import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studio_pipeline.errors import UnreadableFileError
from studio_pipeline.panel.ingest.csv_files import _parse_fast, _parse_slow, record_bounds
from studio_pipeline.panel.ingest.source_files import read_text_table

CELL = st.text(st.sampled_from('ab1, "\n\r'), max_size=4)


def _quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


def _read(data):
    return read_text_table("a.csv", data)


def test_values_stay_the_text_that_stood_there_without_byte_order_mark_and_separators():
    found = _read(b"\xef\xbb\xbf a ;b\n1,5;2\n")
    assert found.table.to_pydict() == {"a": ["1,5"], "b": ["2"]}
    assert _read(b"a\tb\n1\t2").table.to_pydict() == {"a": ["1"], "b": ["2"]}
    found = _read(b"a,b\n007,1e3\n 1 ,\n")
    assert found.table.to_pydict() == {"a": ["007", " 1 "], "b": ["1e3", ""]}
    assert found.lines.tolist() == [2, 3]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_lines_are_right_after_blank_lines_and_breaks_inside_quotes(line_break):
    text = line_break.join(["", "a,b", "1,2", "", '"x', 'y",3', "4,5", ",", ""])
    found = _read(text.encode())
    assert found.table["a"].to_pylist() == ["1", f"x{line_break}y", "4"]
    assert found.lines.tolist() == [3, 5, 7]
    assert not found.malformed


def test_rows_of_another_length_are_kept_aside_with_their_line():
    found = _read(b'a,b,c\n1,2,3\n\n4,5\n"x\ny",8,9\n7,"8 ""q""",9,10\n1,2,3')
    assert found.table["a"].to_pylist() == ["1", "x\ny", "1"]
    assert found.lines.tolist() == [2, 5, 8]
    assert found.malformed == ((4, "4,5"), (7, '7,"8 ""q""",9,10'))


def test_malformed_rows_are_numbered_right_across_blocks_of_a_large_file():
    row = b"studio,2024-01-01," + b"1" * 100 + b"\n"
    body = b"a,b,c\n" + row * 300_000 + b"cut,off\n" + row * 50_000 + b"cut"
    found = _read(body)
    assert found.malformed == ((300_002, "cut,off"), (350_003, "cut"))
    assert found.lines[[0, 299_999, 300_000, -1]].tolist() == [2, 300_001, 300_003, 350_002]


@pytest.mark.parametrize("second", ['6" pipe', "6 pipe"])
def test_a_stray_quote_in_a_field_harms_no_other_row(second):
    found = _read(f'a,b\n1,5" pipe\n2,{second}\n3,4\n'.encode())
    assert found.table.to_pydict() == {"a": ["1", "2", "3"], "b": ['5" pipe', second, "4"]}
    assert found.lines.tolist() == [2, 3, 4]


@given(
    st.lists(st.lists(CELL, min_size=2, max_size=3), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"])
)
@example([["\n", ""], ["", "1"]], "\n")
def test_the_fast_parser_agrees_with_its_slow_twin(rows, line_break):
    body = line_break.join(",".join(map(_quoted, row)) for row in rows)
    starts, _, lines = record_bounds(body.encode())
    slow = _parse_slow("a.csv", ["a", "b"], ",", body, 1)
    fast = _parse_fast(["a", "b"], ",", body.encode(), lines)
    assert len(starts) == len(rows)
    assert fast.table.to_pydict() == slow.table.to_pydict()
    assert fast.lines.tolist() == slow.lines.tolist()
    assert [line for line, _ in fast.malformed] == [line for line, _ in slow.malformed]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b"a,b\n", "has a header and no rows"),
        (b"a,a\n1,2\n", "line 1: the column 'a' is there twice"),
        (b"a,b\n1,2\n1,\xff\n", "line 3: is not UTF-8"),
        (b"a,b\n1,2\n\0\0\0", "line 3: holds NUL bytes"),
        ("a,b\n1,2\n".encode("utf-16"), "is a UTF-16 file"),
        (b"PK\x03\x04rest", "is an Excel or ZIP file"),
        (b"PAR1half of a file", "can't be read as Parquet"),
        (b'a,b\n1,2\n"3,4\n5,6\n', "line 3: a quote is opened and never closed"),
        (b'a,b\n1,2\n"3,4\n' + b"5,6\n" * 50_000, "can't be read as CSV (field larger than field limit"),
    ],
)
def test_what_can_not_be_read_is_told_with_file_and_remedy(data, named):
    with pytest.raises(UnreadableFileError) as caught:
        _read(data)
    assert caught.value.what.startswith("a.csv")
    assert named in caught.value.what
    assert caught.value.remedy


def test_a_quote_open_in_the_last_line_costs_that_line_alone():
    found = _read(b'a,b\n1,2\n3,"4')
    assert found.table["a"].to_pylist() == ["1"]
    assert [line for line, _ in found.malformed] == [3]


def test_parquet_is_read_as_text_by_row():
    frame = pd.DataFrame(
        {
            "studio_id": pd.Categorical(["a", "b"]),
            "month_year": pd.to_datetime(["2024-01-01", "2024-02-01"]),
            "total_revenue": [1234.5, np.nan],
            "total_members": pd.array([3, None], dtype="Int64"),
        }
    )
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    # By its content, whatever its name.
    found = read_text_table("renamed.csv", buffer.getvalue())
    assert found.table.to_pydict() == {
        "studio_id": ["a", "b"],
        "month_year": ["2024-01-01", "2024-02-01"],
        "total_revenue": ["1234.5", ""],
        "total_members": ["3", ""],
    }
    assert found.lines.tolist() == [1, 2]
    assert found.typed == {"month_year", "total_revenue", "total_members"}
    with pytest.raises(UnreadableFileError, match="half-written"):
        read_text_table("a.parquet", buffer.getvalue()[:-10])
