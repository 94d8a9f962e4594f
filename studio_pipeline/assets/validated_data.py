"""Assets of the stage `validated_data`: validated months, and rejected rows with their reasons.

The validation itself is in `panel.validation`; the limit on rejected rows is a check in `asset_checks.data`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.assets.raw_data import DESCRIPTIONS
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.report.data_figures import fleet_revenue, rejected_by_reason
from studio_pipeline.panel.validation.validation import ValidatedMonths, validate_months
from studio_pipeline.resources.asset_results import in_stage, numbers, picture, rows_metadata, table_result

STAGE = in_stage("validated_data", "pandas", "pandera", version="2")
REJECTED_DESCRIPTIONS = {
    "file": "The file that the row stands in.",
    "line": "The line in that file.",
    "studio_id": "The studio, as it stands in the row.",
    "month_year": "The month, as it stands in the row.",
    "column": "The column that made the row unusable.",
    "value": "The value as it stood.",
    "reason": "Why it can't be used.",
}


@dg.multi_asset(
    outs={
        "validated_studio_months": dg.AssetOut(
            description="One plausible row a studio and month, derived columns filled in.", **STAGE
        ),
        "rejected_rows": dg.AssetOut(
            description="Every rejected row: file, line, column, the value as it stood, the reason.", **STAGE
        ),
    },
    name="validate_studio_months",
)
def validated_data(
    raw_studio_months: pd.DataFrame, configuration: dg.ResourceParam[Configuration]
) -> Iterator[Any]:
    """Parse and correct the raw rows, derive columns, and check plausibility."""
    months = validate_months(raw_studio_months, configuration.validation, datetime.now(UTC).date())
    metadata = _validated_metadata(months)
    yield table_result(months.frame, DESCRIPTIONS, metadata, asset_key="validated_studio_months")
    metadata = {
        "rejected_rows": months.rejected_rows,
        "rows": rows_metadata(months.rejected),
        **picture("reasons", rejected_by_reason(months.rejected)),
    }
    yield table_result(months.rejected, REJECTED_DESCRIPTIONS, metadata, asset_key="rejected_rows")


def _validated_metadata(months: ValidatedMonths) -> dict[str, Any]:
    frame = months.frame
    counts = {
        "studios": frame["studio_id"].nunique(),
        "months": frame["month_year"].nunique(),
        "warnings": len(months.warnings),
        "replaced_rows": months.replaced_rows,
        "held_back_rows": months.held_back_rows,
        "total_revenue": frame["total_revenue"].sum(),
    }
    span = {} if frame.empty else {"last_month": f"{frame['month_year'].max():%Y-%m}"}
    tables = {"first_rows": rows_metadata(frame, limit=10), "changed_cells": rows_metadata(months.warnings)}
    return {**numbers(counts), **span, **tables, **picture("revenue", fleet_revenue(frame))}
