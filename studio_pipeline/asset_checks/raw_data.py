"""Whether there is anything to work with; `files_readable` is evaluated where the files are read."""

from __future__ import annotations

import dagster as dg
import pandas as pd

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.panel.schemas import raw_schema


@dg.asset_check(
    asset="raw_studio_months", blocking=True, description="There is at least one row of a studio's month."
)
def has_rows(raw_studio_months: pd.DataFrame) -> dg.AssetCheckResult:
    """Without a row nothing can be learned, and nothing published may be replaced."""
    rows = len(raw_studio_months)
    return dg.AssetCheckResult(
        passed=rows > 0,
        severity=dg.AssetCheckSeverity.ERROR,
        description="" if rows else "No file of the landing folder holds a row that can be read.",
        metadata={"rows": rows},
    )


CHECKS = [has_rows, schema_check("raw_studio_months", raw_schema())]
