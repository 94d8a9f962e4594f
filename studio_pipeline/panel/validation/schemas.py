"""Pandera schemas of the raw, validated and rejected tables: they confirm the result of validation."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from studio_pipeline.panel.columns import COLUMNS, KEYS, MAY_BE_NEGATIVE, Column, Kind
from studio_pipeline.panel.frames import empty_table
from studio_pipeline.panel.ingest.csv_files import RAW_TEXT_COLUMNS
from studio_pipeline.panel.validation.typed_months import FINDING_COLUMNS

FAILURE_COLUMNS: tuple[str, ...] = ("column", "check", "failure_case", "index")
_RAW_REQUIRED = ("file", "decimal", "thousands")


@cache
def raw_schema() -> pa.DataFrameSchema:
    """Schema of raw rows: text as in the file, with file and line."""
    columns = {name: _text(name not in _RAW_REQUIRED) for name in RAW_TEXT_COLUMNS}
    columns["line"] = pa.Column("int64", pa.Check.ge(1), description="Line in the file; of Parquet, the row.")
    order, seen = "Later files replace earlier ones.", "When the studio's month was first seen, UTC."
    columns["file_order"] = pa.Column("int64", pa.Check.ge(0), description=order)
    columns["first_seen"] = pa.Column("datetime64[ns]", description=seen)
    return pa.DataFrameSchema(columns, name="raw_studio_months", strict=True)


@cache
def validated_schema() -> pa.DataFrameSchema:
    """Schema of validated months: typed, in range, unique and sorted by studio and month."""
    columns = {}
    for column in COLUMNS:
        dtype = {Kind.TEXT: None, Kind.MONTH: "datetime64[ns]"}.get(column.kind, "float64")
        description = f"{column.description} ({column.kind.value})"
        columns[column.name] = pa.Column(
            dtype, _checks(column), nullable=not column.required, description=description
        )
    columns["first_seen"] = pa.Column("datetime64[ns]", description="When this row was first seen, UTC.")
    return pa.DataFrameSchema(
        columns,
        name="validated_studio_months",
        strict=True,
        ordered=True,
        unique=list(KEYS),
        checks=pa.Check(
            lambda frame: bool(pd.MultiIndex.from_frame(frame[list(KEYS)]).is_monotonic_increasing),
            name="sorted by studio_id and month_year",
        ),
    )


@cache
def rejected_schema() -> pa.DataFrameSchema:
    """Schema of rejected rows and of warnings: one row per fault with place, original value and reason."""
    columns = {name: _text(name not in ("file", "column", "reason")) for name in FINDING_COLUMNS}
    columns["line"] = pa.Column("int64", pa.Check.ge(1))
    columns["month_year"] = pa.Column("datetime64[ns]", nullable=True)
    return pa.DataFrameSchema(columns, name="rejected_rows", strict=True, ordered=True)


def failure_cases(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> pd.DataFrame:
    """All violations of a schema in a table, with `FAILURE_COLUMNS`; empty if there are none."""
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        found = error.failure_cases.reindex(columns=list(FAILURE_COLUMNS)).reset_index(drop=True)
        return pd.DataFrame(found.astype({"check": str, "failure_case": str}))
    return empty_table(dict.fromkeys(FAILURE_COLUMNS, object))


def _text(nullable: bool) -> pa.Column:
    return pa.Column(None, pa.Check(_is_text, name="text"), nullable=nullable)


def _checks(column: Column) -> list[pa.Check]:
    if column.kind is Kind.TEXT:
        return [pa.Check(_is_text, name="text")]
    if column.kind is Kind.MONTH:
        return [pa.Check(_is_first_day, name="first day of a month")]
    finite = pa.Check(lambda values: values.abs() < float("inf"), name="finite")
    if column.kind is Kind.RATE:
        return [finite, pa.Check.in_range(0.0, 1.0)]
    return [finite] if column.name in MAY_BE_NEGATIVE else [finite, pa.Check.ge(0.0)]


def _is_text(values: pd.Series) -> bool:
    return bool(pd.api.types.infer_dtype(values, skipna=True) in ("string", "empty"))


def _is_first_day(values: pd.Series) -> pd.Series:
    return pd.Series((values.dt.day == 1) & (values == values.dt.normalize()))
