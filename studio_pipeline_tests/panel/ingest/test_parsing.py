import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.panel.ingest.parsing import arrow_text, parse_months, parse_numbers, parse_text


def _numbers(texts, decimal=".", thousands=""):
    values, faulty = parse_numbers(arrow_text(pd.Series(texts, dtype=object)), decimal, thousands)
    return ["fault" if bad else value for value, bad in zip(values.tolist(), faulty, strict=True)]


@pytest.mark.parametrize(
    ("texts", "decimal", "thousands", "expected"),
    [
        (["1", " 2.5 ", "-3", "+4", ".5", "6.", "1e3"], ".", "", [1, 2.5, -3, 4, 0.5, 6, 1000]),
        (["1,5", "1.5", "-0,25"], ",", "", [1.5, "fault", -0.25]),
        (["1,234.5", "1234.5", "12,34", "1,234,567"], ".", ",", [1234.5, 1234.5, "fault", 1234567]),
        (["1.234,5", "1.234", "12.34", "-1.000"], ",", ".", [1234.5, 1234, "fault", -1000]),
        (["1 234", "1\u00a0234,5", "1\u202f234"], ",", " ", [1234, 1234.5, 1234]),
        (["1'234.5"], ".", "'", [1234.5]),
        (["1,234", "x", "$5", "93%", "1 2", "0x10", "1_000", "--1", "1e"], ".", "", ["fault"] * 9),
    ],
)
def test_number_forms(texts, decimal, thousands, expected):
    assert _numbers(texts, decimal, thousands) == expected


def test_missing_is_neither_a_number_nor_a_fault():
    texts = pd.Series(["", " ", "NA", "n/a", "NaN", "null", None, "x"])
    values, faulty = parse_numbers(arrow_text(texts), ".")
    assert np.isnan(values).all()
    assert faulty.tolist() == [False] * 7 + [True]


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e999", "INF"])
def test_infinity_is_read_as_such(text):
    assert np.isinf(_numbers([text])[0])
    assert np.isinf(_numbers([text, "nonsense"])[0]), "on the careful way, too"


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1))
def test_any_number_survives_both_ways(values):
    texts = [repr(value) for value in values]
    assert _numbers(texts) == values
    assert _numbers([*texts, "nonsense"])[:-1] == values
    assert _numbers([text.replace(".", ",") for text in texts], ",", ".") == values


NO_MONTHS = ["2024-01-01 garbage", "2024-01-01T", "31.01.2024", "2024-13", "2024-02-30", "2024", "0001-01"]


@pytest.mark.parametrize(
    ("texts", "month_format", "expected"),
    [
        (["2024-01-01", "2024-01", "2024-1", "2024-01-31", "2024-01-01 00:00:00"], None, "2024-01"),
        (["2024-01-01T00:00:00Z", "2024-01-01 00:00:00.000+00:00"], None, "2024-01"),
        ([*NO_MONTHS, "9999-12", "", None], None, "NaT"),
        (["31.01.2024"], "%d.%m.%Y", "2024-01"),
        (["January 2024"], "%B %Y", "2024-01"),
        (["2024-01"], "%Y-%m", "2024-01"),
        (["2024-01-01"], "%d.%m.%Y", "NaT"),
    ],
)
def test_month_forms(texts, month_format, expected):
    found = parse_months(pa.array([*texts, texts[0]], pa.string()), month_format)
    wanted = np.array([expected] * len(found), "datetime64[M]")
    assert np.array_equal(found, wanted, equal_nan=True), found


def test_text_is_trimmed_and_none_where_empty():
    assert parse_text(pd.Series([" a ", "", None, "NA"], dtype=object)).tolist() == ["a", None, None, "NA"]
