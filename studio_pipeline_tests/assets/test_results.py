"""What assets report: versions by content, plain tables, pictures that fit."""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.resources.asset_results import (
    PICTURE_LIMIT_BYTES,
    content_sha,
    numbers,
    picture,
    rows_metadata,
    table_result,
)


@dataclass(frozen=True)
class Fit:
    values: np.ndarray
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1.0, math.nan], "b": ["x", None], "m": pd.to_datetime(["2024-01-01", None])})


@given(st.integers(0, 1), st.floats(allow_nan=False))
def test_any_changed_cell_changes_the_version(row: int, value: float) -> None:
    changed = frame()
    before = changed["a"][row]
    changed.loc[row, "a"] = value
    assert (content_sha(changed) == content_sha(frame())) == (value == before)


def test_equal_content_has_equal_versions_and_order_names_and_types_count() -> None:
    base = content_sha(frame())
    assert content_sha(frame()) == base
    one, other = (Fit(np.arange(3.0), {"t": frame()}) for _ in range(2))
    assert content_sha(one) == content_sha(other)
    assert content_sha(frame().iloc[::-1]) != base
    assert content_sha(frame().rename(columns={"a": "c"})) != base
    assert content_sha(frame().astype({"a": "float32"})) != base
    assert content_sha(Fit(np.zeros((2, 3)))) != content_sha(Fit(np.zeros((3, 2))))
    with pytest.raises(TypeError, match="object"):
        content_sha(Fit(np.zeros(1), {"t": object()}))


def test_a_table_tells_rows_and_columns_and_shows_few_plain_ones() -> None:
    result = table_result(frame(), {"a": "A number."})
    assert result.metadata["dagster/row_count"] == 2
    columns = {column.name: column for column in result.metadata["dagster/column_schema"].columns}
    assert columns["a"].description == "A number."
    assert columns["m"].type == "datetime64[ns]"
    table = rows_metadata(pd.concat([frame()] * 100, ignore_index=True), limit=3)
    assert len(table.records) == 3
    assert table.records[1].data == {"a": None, "b": None, "m": None}
    assert table.records[0].data == {"a": 1.0, "b": "x", "m": "2024-01-01 00:00:00"}


def test_a_picture_is_kept_only_where_it_fits_and_a_number_only_where_it_is_finite() -> None:
    assert numbers({"a": 1, "b": math.nan, "c": math.inf, "d": np.float64(2)}) == {"a": 1.0, "d": 2.0}
    assert "data:image/png;base64," in str(picture("p", b"x")["p"].value)
    assert picture("p", b"x" * PICTURE_LIMIT_BYTES) == {}
