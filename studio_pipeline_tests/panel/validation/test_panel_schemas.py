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
def raw(landing, make_months):
    landing.put_frame("months.csv", make_months())
    return landing.read().frame


@pytest.fixture
def validated(landing, make_months):
    landing.put_frame("months.csv", make_months())
    return landing.validate()


@pytest.fixture
def rejected(landing):
    landing.put("months.csv", "studio_id,month_year,total_revenue\na,2024-01,-5\n,never,5\n")
    return landing.validate().rejected


def test_good_tables_have_no_failures(raw, validated, rejected):
    assert len(raw)
    assert len(rejected) == 3
    for schema, table in (
        (raw_schema(), raw),
        (raw_schema(), raw.head(0)),
        (validated_schema(), validated.frame),
        (validated_schema(), validated.frame.head(0)),
        (rejected_schema(), rejected),
        (rejected_schema(), validated.rejected),
        (rejected_schema(), validated.warnings),
    ):
        assert failure_cases(schema, table).empty


def test_tables_pass_again_after_storage(raw, validated, rejected, tmp_path):
    stored = ((raw_schema(), raw), (validated_schema(), validated.frame), (rejected_schema(), rejected))
    for schema, table in stored:
        table.to_parquet(tmp_path / "table.parquet")
        assert failure_cases(schema, pd.read_parquet(tmp_path / "table.parquet")).empty


def _broken(table, column, value):
    table = table.copy()
    table[column] = table[column].astype(object) if isinstance(value, str) else table[column]
    table.loc[1, column] = value
    return table


@pytest.mark.parametrize(
    ("column", "value", "check"),
    [
        ("total_revenue", -1.0, "greater_than_or_equal_to"),
        ("total_revenue", np.inf, "finite"),
        ("total_revenue", np.nan, "not_nullable"),
        ("total_members", -1.0, "greater_than_or_equal_to"),
        ("total_members", "many", "dtype"),
        ("retention_rate", 93.0, "in_range"),
        ("class_attendance_rate", 1.1, "in_range"),
        ("studio_id", None, "not_nullable"),
        ("month_year", pd.Timestamp("2022-02-02"), "first day of a month"),
        ("month_year", pd.Timestamp("2022-01-01"), "multiple_fields_uniqueness"),
        ("month_year", pd.Timestamp("2021-01-01"), "sorted by studio_id and month_year"),
        ("first_seen", pd.NaT, "not_nullable"),
    ],
)
def test_bad_validated_months_are_told_as_a_table(validated, column, value, check):
    cases = failure_cases(validated_schema(), _broken(validated.frame, column, value))
    assert cases["check"].str.contains(check).any(), cases


def test_a_column_too_few_or_too_many_fails(validated):
    short = validated.frame.drop(columns="upsell_rate")
    assert "upsell_rate" in str(failure_cases(validated_schema(), short))
    assert "weather" in str(failure_cases(validated_schema(), validated.frame.assign(weather=1.0)))


@pytest.mark.parametrize(
    ("column", "value", "check"), [("line", 0, "greater_than"), ("file", None, "not_nullable")]
)
def test_bad_raw_rows_are_told(raw, column, value, check):
    assert failure_cases(raw_schema(), _broken(raw, column, value))["check"].str.contains(check).any()


def test_numbers_in_the_raw_table_are_told(raw):
    cases = failure_cases(raw_schema(), raw.assign(total_revenue=1.5))
    assert cases["column"].tolist() == ["total_revenue"]


@pytest.mark.parametrize("column", ["file", "column", "reason"])
def test_bad_rejections_are_told(rejected, column):
    assert failure_cases(rejected_schema(), _broken(rejected, column, None))["column"].tolist() == [column]


def test_every_column_is_described():
    described = {name: column.description for name, column in validated_schema().columns.items()}
    assert set(described) == {*(column.name for column in COLUMNS), "first_seen"}
    assert all(described.values())
