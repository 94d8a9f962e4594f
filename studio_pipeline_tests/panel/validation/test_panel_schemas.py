import numpy as np
import pandas as pd
import pytest

from studio_pipeline.panel.columns import COLUMNS
from studio_pipeline.panel.validation.schemas import (
    failure_cases,
    raw_schema,
    rejected_schema,
    validated_schema,
)


@pytest.fixture
def tables(landing, make_months):
    """The schema of each table, and one that it is made for."""
    landing.put_frame("months.csv", make_months())
    raw, validated = landing.read().frame, landing.validate()
    rejected = landing.validated("studio_id,month_year,total_revenue\na,2024-01,-5\n,never,5\n").rejected
    assert (len(rejected), validated.rejected.empty) == (3, True)
    return {
        "raw": (raw_schema(), raw),
        "validated": (validated_schema(), validated.frame),
        "rejected": (rejected_schema(), rejected),
    }


def test_good_tables_have_no_failures_before_and_after_storage(tables, tmp_path):
    for schema, table in tables.values():
        table.to_parquet(tmp_path / "table.parquet")
        for good in (table, table.head(0), pd.read_parquet(tmp_path / "table.parquet")):
            assert failure_cases(schema, good).empty


@pytest.mark.parametrize(
    ("name", "column", "value", "check"),
    [
        ("validated", "total_revenue", -1.0, "greater_than_or_equal_to"),
        ("validated", "total_revenue", np.inf, "finite"),
        ("validated", "total_revenue", np.nan, "not_nullable"),
        ("validated", "total_members", -1.0, "greater_than_or_equal_to"),
        ("validated", "total_members", "many", "dtype"),
        ("validated", "retention_rate", 93.0, "in_range"),
        ("validated", "class_attendance_rate", 1.1, "in_range"),
        ("validated", "studio_id", None, "not_nullable"),
        ("validated", "month_year", pd.Timestamp("2022-02-02"), "first day of a month"),
        ("validated", "month_year", pd.Timestamp("2022-01-01"), "multiple_fields_uniqueness"),
        ("validated", "month_year", pd.Timestamp("2021-01-01"), "sorted by studio_id and month_year"),
        ("validated", "first_seen", pd.NaT, "not_nullable"),
        ("raw", "line", 0, "greater_than"),
        ("raw", "file", None, "not_nullable"),
        ("raw", "total_revenue", 1.5, "text"),
        ("rejected", "file", None, "not_nullable"),
        ("rejected", "column", None, "not_nullable"),
        ("rejected", "reason", None, "not_nullable"),
    ],
)
def test_a_bad_cell_is_told(tables, name, column, value, check):
    schema, table = tables[name]
    table = table.astype({column: object}) if isinstance(value, str) or check == "text" else table.copy()
    table.loc[1, column] = value
    assert failure_cases(schema, table)["check"].str.contains(check).any()


def test_a_column_too_few_or_too_many_fails(tables):
    schema, table = tables["validated"]
    assert "upsell_rate" in str(failure_cases(schema, table.drop(columns="upsell_rate")))
    assert "weather" in str(failure_cases(schema, table.assign(weather=1.0)))


def test_every_column_is_described():
    described = {name: column.description for name, column in validated_schema().columns.items()}
    assert set(described) == {*(column.name for column in COLUMNS), "first_seen"}
    assert all(described.values())
