"""A check of a stored table against a Pandera schema: every failure at once, as a table in the web UI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import pandas as pd
import pandera.pandas as pa

from studio_pipeline.assets.results import rows_metadata
from studio_pipeline.panel.schemas import failure_cases


def schema_check(
    asset: str,
    schema: pa.DataFrameSchema,
    *,
    blocking: bool = False,
    name: str = "schema",
    value_type: type = pd.DataFrame,
    table_of: Callable[[Any], pd.DataFrame] = lambda value: value,
) -> dg.AssetChecksDefinition:
    """Check what is stored of an asset.

    Args:
        asset: the asset's name.
        schema: what its table must look like.
        blocking: whether nothing downstream may go on in this run; a warning otherwise.
        name: the check's name, for an asset that has several.
        value_type: what is stored.
        table_of: the table to check in it.
    """

    def check(value: Any) -> dg.AssetCheckResult:
        severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
        return schema_result(table_of(value), schema, severity)

    check.__annotations__["value"] = value_type
    description = f"The stored table fits the schema `{schema.name}`."
    return dg.asset_check(asset=asset, name=name, blocking=blocking, description=description)(check)


def schema_result(
    table: pd.DataFrame, schema: pa.DataFrameSchema, severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    """Validate lazily; what the schema does not say, such as a bug in a check, is not caught."""
    cases = failure_cases(schema, table)
    return dg.AssetCheckResult(
        passed=cases.empty,
        severity=severity,
        description=f"{len(cases)} violations of the schema `{schema.name}`." if len(cases) else "",
        metadata={"violations": len(cases), "rows": len(table), "failure_cases": rows_metadata(cases)},
    )
