import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.errors import NoUsableDataError
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline.panel.frames import panel_from_frame

ROW = st.tuples(st.sampled_from(["b", "a", "a b", "é"]), st.integers(0, 30), st.floats(0, 1e6))


@given(st.lists(ROW, min_size=1, unique_by=lambda row: row[:2]), st.randoms(use_true_random=False))
def test_every_value_stands_where_a_plain_loop_puts_it(rows, random):
    random.shuffle(rows)
    start = np.datetime64("2020-01")
    frame = pd.DataFrame(rows, columns=["studio_id", "month_year", "total_revenue"])
    frame["month_year"] = (start + frame["month_year"].to_numpy()).astype("datetime64[ns]")
    panel = panel_from_frame(frame)
    assert panel.studio_ids.tolist() == sorted({row[0] for row in rows})
    assert panel.first_month == start + min(row[1] for row in rows)
    assert panel.n_months == max(row[1] for row in rows) - min(row[1] for row in rows) + 1
    assert int(panel.known.sum()) == len(rows)
    for studio, month, revenue in rows:
        assert panel.values["total_revenue"][panel.rows[studio], panel.column_of(start + month)] == revenue
    assert set(panel.values) == set(NUMERIC_COLUMNS)
    assert np.isnan(panel.values["upsell_rate"]).all()


def test_a_studio_has_the_type_of_its_last_month_that_has_one():
    frame = pd.DataFrame(
        {
            "studio_id": ["a", "a", "a", "b"],
            "month_year": pd.to_datetime(["2024-02-01", "2024-01-01", "2024-03-01", "2024-01-01"]),
            "studio_type": ["Pilates", "Yoga", None, None],
            "total_revenue": 1.0,
        }
    )
    assert panel_from_frame(frame).studio_types.tolist() == ["Pilates", ""]


def test_no_months_at_all_are_told():
    with pytest.raises(NoUsableDataError, match="not a single valid month"):
        panel_from_frame(pd.DataFrame({"studio_id": [], "month_year": [], "total_revenue": []}))
